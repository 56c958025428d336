"""Paths as people type them."""

from __future__ import annotations

from pathlib import Path

from assistant.errors import AssistantError


def typed_path(text: str) -> Path:
    """The path that `text` means, `~` being a home folder; raises AssistantError where it can be none."""
    if "\0" in text:
        raise AssistantError("a path cannot hold a NUL character: give another one")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise AssistantError(f"{text}: there is no such home folder; give the whole path") from None
