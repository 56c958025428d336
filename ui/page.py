"""The chat page: its components, and which handler each event calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gradio as gr

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from ui.chat import TICK_SECONDS, Chat
from ui.dashboard import add_dashboard
from ui.desk import Desk
from ui.editor import add_editor
from ui.listing import Shelf
from ui.panel import build_panel
from ui.parts import Parts, Update
from ui.render import render
from ui.screen import Screen
from ui.settings import Settings
from ui.transfer import take_in

ASSETS: Final = Path(__file__).with_name("assets")
# Clicks and forms inside our HTML become one event, `act`, with what the button says.
_ACTS: Final = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  if (!button || button.tagName === 'FORM' || button.disabled) return;
  if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
  window.steadfast.acting(button);
  trigger('act', {...button.dataset});
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target;
  trigger('act', {...form.dataset, ...Object.fromEntries(new FormData(form))});
  form.closest('[popover]')?.hidePopover();
});
watch('value', () => window.steadfast.changed(element));
window.steadfast.changed(element);
window.steadfast.made(element, (act) => trigger('act', {act}));
"""

# Asks whether there is news, always anew, while somebody can see the page.
_PULSE: Final = f"""
const ask = () => document.hidden || trigger('act', {{}});
watch('value', ask);
document.addEventListener('visibilitychange', ask);
setInterval(ask, {TICK_SECONDS * 1000:.0f});
"""


def build(assistant: Assistant, library: PersonaLibrary, *, persona: str, users: bool) -> gr.Blocks:
    """The page. `users`: people log in, and each sees their own conversations."""
    desk = Desk(assistant, library, persona)
    # Uploads are kept for an hour at most, in case a browser went away before they were read.
    with gr.Blocks(title="Steadfast", fill_width=True, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Navbar(visible=False)
        where = gr.Textbox(visible="hidden", elem_id="where", label="Open conversation")
        with gr.Row(elem_id="shell"):
            with gr.Column(elem_id="sidebar", scale=0):
                gr.HTML(render("brand"), apply_default_css=False, padding=False)
                new = gr.Button("New chat", elem_id="new-chat", variant="secondary")
                search = gr.Textbox(
                    placeholder="Search, or #tag",
                    label="Search conversations",
                    show_label=False,
                    elem_id="search",
                    max_lines=1,
                )
                shelf = gr.Radio(
                    [("Chats", "chats"), ("Archive", "archive"), ("Trash", "trash")],
                    value="chats",
                    label="Which conversations",
                    show_label=False,
                    elem_id="shelf",
                    container=False,
                )
                conversations = _html("conversations")
                gr.HTML(render("links", users=users), apply_default_css=False, padding=False)
            with gr.Column(elem_id="main", scale=1):
                header = _html("header")
                with gr.Column(elem_id="scroll"):
                    gallery = _html("gallery")
                    messages = _html("messages")
                    live = _html("live")
                with gr.Column(elem_id="foot"):
                    with gr.Row(visible=False, elem_id="editing") as editing:
                        gr.HTML("<span>You are changing an earlier message. The old one stays as a branch.</span>")
                        cancel = gr.Button("Cancel", size="sm", elem_id="cancel-edit")
                    with gr.Row(elem_id="compose"):
                        composer = gr.Textbox(
                            placeholder="Say something",
                            label="Message",
                            show_label=False,
                            lines=1,
                            max_lines=8,
                            max_length=20_000,
                            autofocus=True,
                            elem_id="composer",
                            scale=1,
                        )
                        send = gr.Button("Send", variant="primary", elem_id="send", scale=0)
                        stop = gr.Button("Stop", variant="stop", elem_id="stop", scale=0)
                    status = _html("status")
            with gr.Column(elem_id="settings", scale=0):
                panel = build_panel(desk)
        gr.HTML(render("help"), apply_default_css=False, padding=False, elem_id="help-box")
        pulse = gr.HTML("", elem_id="pulse", visible="hidden", js_on_load=_PULSE)
        parts = Parts(
            header, conversations, gallery, messages, live, status, composer, editing, where, search, pulse, panel
        )
        screen = Screen(desk, parts)
        chat = Chat(desk, screen, parts)
        _wire(page, chat, parts, new=new, send=send, stop=stop, cancel=cancel, shelf=shelf)
        _wire_settings(Settings(desk, screen), parts)

        def taken(file: str, request: gr.Request) -> str:
            desk.tab(request).listed = ""
            return take_in(assistant.store, Path(file), desk.user(request))

        panel.upload.upload(taken, panel.upload, panel.report, **_QUIET)
    add_editor(page, library, assistant.engine, locked=users, js=_ACTS)
    add_dashboard(page, assistant.store, desk.user)
    return page


_QUIET: Final[dict[str, Any]] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": None,
    "trigger_mode": "multiple",
}


def _wire(page: gr.Blocks, chat: Chat, parts: Parts, **controls: Any) -> None:
    everything = parts.all()

    async def act(where: str, event: gr.EventData, request: gr.Request) -> Update:
        said = {str(key): str(value) for key, value in (event._data or {}).items()}
        return await chat.act(where, said, request)

    async def browse(search: str, shelf: Shelf, where: str, request: gr.Request) -> Update:
        return await chat.browse(search, shelf, where, request)

    page.load(chat.load, None, everything, **_QUIET)
    parts.pulse.act(chat.tick, parts.where, everything, **(_QUIET | {"trigger_mode": "once"}))
    gr.on(
        [parts.composer.submit, controls["send"].click],
        chat.send,
        [parts.composer, parts.where],
        parts.of_chat(),
        **_QUIET,
    )
    for html in (parts.conversations, parts.gallery, parts.messages, parts.live):
        html.act(act, parts.where, everything, **_QUIET)
    controls["stop"].click(chat.stop, parts.where, everything, **_QUIET)
    controls["new"].click(chat.new, None, everything, **_QUIET)
    controls["cancel"].click(chat.cancel_edit, None, [parts.composer, parts.editing], **_QUIET)
    gr.on(
        [parts.search.change, controls["shelf"].input],
        browse,
        [parts.search, controls["shelf"], parts.where],
        everything,
        **(_QUIET | {"trigger_mode": "always_last"}),
    )


def _wire_settings(settings: Settings, parts: Parts) -> None:
    panel, where, everything = parts.panel, parts.where, parts.all()
    panel.persona.input(settings.choose_persona, [panel.persona, where], everything, **_QUIET)
    panel.persistence.input(settings.choose_persistence, [panel.persistence, where], everything, **_QUIET)
    panel.guard.input(settings.choose_guard, [panel.guard, where], everything, **_QUIET)
    gr.on(
        [panel.own.input, panel.temperature.input, panel.top_p.input, panel.max_tokens.input, panel.seed.input],
        settings.choose_sampling,
        [*panel.sampling(), where],
        everything,
        **(_QUIET | {"trigger_mode": "always_last"}),
    )


def _html(name: str) -> gr.HTML:
    return gr.HTML("", elem_id=name, apply_default_css=False, padding=False, js_on_load=_ACTS)
