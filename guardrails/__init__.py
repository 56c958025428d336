"""Judges text: safe rendering of chats into tokens, verdicts, and the gate that releases text."""
