"""Errors that a person can act on."""

from __future__ import annotations

from guardrails.errors import UserError


class AssistantError(UserError):
    """What went wrong in a chat, told in one line with the fix."""
