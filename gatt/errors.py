"""What goes wrong in Ghost Attention, told in one line with the fix."""

from __future__ import annotations

from assistant.errors import AssistantError


class GattError(AssistantError):
    """The data, the model or the settings do not allow what was asked."""
