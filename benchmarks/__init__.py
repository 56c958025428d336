"""What measures speed: each module is a command that prints a table."""
