"""The components of the chat page that its handlers change."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr

from assistant.errors import AssistantError
from ui.panel import Panel

# What a handler changes: components with their new values.
Update = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """`where` keeps the open conversation's id in the browser, so that it outlives the server; a new value of `pulse`
    has the page ask at once whether there is news."""

    header: gr.HTML
    conversations: gr.HTML
    gallery: gr.HTML
    messages: gr.HTML
    live: gr.HTML
    status: gr.HTML
    composer: gr.Textbox
    editing: gr.Row
    where: gr.Textbox
    search: gr.Textbox
    pulse: gr.HTML
    panel: Panel

    def of_chat(self) -> list[Any]:
        """All but the settings. Gradio makes each of a handler's outputs anew, even those that it does not change."""
        return [getattr(self, field.name) for field in fields(self) if field.name != "panel"]

    def all(self) -> list[Any]:
        """Whatever shows something, as a handler's outputs."""
        return [*self.of_chat(), *self.panel.shown()]


def tell(error: AssistantError) -> None:
    """Shows an error. Gradio takes its text for HTML."""
    gr.Warning(escape(str(error)), title="That did not work")
