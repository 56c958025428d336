"""Errors that a person can act on, and what foreign errors say in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """Something the person at the keyboard can mend. The message is one line: what is wrong, and the fix."""


def first_line(error: Exception) -> str:
    """Of an error's message; its kind where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def first_mistake(error: ValidationError, whole: str) -> str:
    """Where the first mistake is and what it is, as "place: message"; what concerns all is at `whole`."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or whole}: {first['msg']}"
