"""How the bundled safety reward model is made."""
