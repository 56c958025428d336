"""What turns token ids into tokens."""
