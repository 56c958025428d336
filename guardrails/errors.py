"""Errors that a person can act on."""

from __future__ import annotations


class UserError(Exception):
    """Something the person at the keyboard can mend. The message is one line: what is wrong, and the fix."""
