"""The safety reward model: its input, its training, its figures."""
