"""What an engine raises."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.errors import AssistantError


class EngineError(AssistantError):
    """The engine could not serve a request, or cannot be started."""


def check_prompt(prompt_ids: Sequence[int], window: int, *, closed: bool) -> None:
    """Raises EngineError where the engine is closed, and for a prompt that is empty or leaves a reply no room."""
    if closed:
        raise EngineError("the engine is closed")
    if not prompt_ids:
        raise EngineError("the prompt is empty")
    if len(prompt_ids) >= window:
        raise EngineError(f"the prompt takes {len(prompt_ids)} tokens, but the model's window is {window}")
