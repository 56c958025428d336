"""What an engine raises."""

from __future__ import annotations

from assistant.errors import AssistantError


class EngineError(AssistantError):
    """The engine could not serve a request, or cannot be started."""
