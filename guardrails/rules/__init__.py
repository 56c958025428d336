"""Deterministic rules over every way a text may be meant to be read."""
