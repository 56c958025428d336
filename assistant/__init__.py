"""Runs conversations: engines, personas, context window, turn pipeline, store, terminal."""

__version__ = "0.1.0"
