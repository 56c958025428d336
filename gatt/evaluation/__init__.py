"""Measures how long an instruction holds: recall by turn, survival, cost in tokens, side by side for several arms."""
