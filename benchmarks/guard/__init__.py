"""What the guard promises and what it costs, beside two other libraries that guard streams."""
