"""Conversations in and out of files."""
