"""The settings beside the chat, and what they show: who answers and how, and what goes in and out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from assistant.personas.persona import Persona
from ui.desk import Desk
from ui.render import render
from ui.tab import Tab


@dataclass(frozen=True, slots=True)
class Panel:
    """The components. `own` says whether those in `drawing` hold instead of the persona's."""

    persona: gr.Dropdown
    persistence: gr.Radio
    guard: gr.Radio
    own: gr.Checkbox
    drawing: gr.Column
    temperature: gr.Slider
    top_p: gr.Slider
    max_tokens: gr.Slider
    seed: gr.Number
    exports: gr.HTML
    upload: gr.UploadButton
    report: gr.Markdown

    def shown(self) -> list[Any]:
        """Those that show what holds, as a handler's outputs."""
        own = [field.name for field in fields(self) if field.name not in ("upload", "report")]
        return [getattr(self, name) for name in own]

    def sampling(self) -> list[Any]:
        """Those that say how replies are drawn, as a handler's inputs."""
        return [self.own, self.temperature, self.top_p, self.max_tokens, self.seed]


def build_panel(desk: Desk) -> Panel:
    """Make the components where the page is being built."""
    gr.HTML('<h2 id="settings-title">Settings</h2>', apply_default_css=False, padding=False)
    persona = gr.Dropdown([], label="Who answers", elem_id="persona")
    persistence = gr.Radio(
        [("As the persona says", "persona"), ("Said once, first", "pin"), ("Reminded each time", "remind")],
        value="persona",
        label="How the instruction is kept",
        elem_id="persistence",
    )
    guard = gr.Radio(
        [(f"As this server does: {desk.assistant.guard.policy.name}", "server"), ("Strictly", "strict")],
        value="server",
        label="How replies are checked",
        info="Never less than the server does",
        elem_id="guard",
        visible=desk.assistant.guards.can_be_stricter,
    )
    with gr.Accordion("How replies are drawn", open=False):
        own = gr.Checkbox(False, label="My own settings instead of the persona's", elem_id="own-sampling")
        with gr.Column(visible=False, elem_id="drawing") as drawing:
            temperature = gr.Slider(
                0,
                2,
                0.7,
                step=0.05,
                label="Temperature",
                info="0 takes the likeliest word",
                elem_id="temperature",
            )
            top_p = gr.Slider(0.05, 1, 0.9, step=0.05, label="Top p", info="Share of likely words", elem_id="top-p")
            max_tokens = gr.Slider(16, 4096, 256, step=16, label="Longest reply, in tokens", elem_id="max-tokens")
            seed = gr.Number(None, label="Seed", info="Empty for a new one every time", precision=0, elem_id="seed")
    with gr.Accordion("Export and import", open=False):
        exports = gr.HTML("", apply_default_css=False, padding=False)
        upload = gr.UploadButton("Import a file", file_types=[".json", ".jsonl", ".md"], size="sm", elem_id="import")
        report = gr.Markdown(elem_id="imported")
    return Panel(
        persona, persistence, guard, own, drawing, temperature, top_p, max_tokens, seed, exports, upload, report
    )


def panel_changes(desk: Desk, panel: Panel, tab: Tab, persona: Persona) -> dict[Any, Any]:
    """What the panel does not show yet of the choices that hold in this tab."""
    showing = panel_state(desk, tab, persona)
    if tab.settings == showing:
        return {}
    tab.settings = showing
    choices = desk.choices(tab)
    names = [(one.title, one.name) for one in desk.library.all()]
    if persona.name not in {name for _, name in names}:
        names.append((persona.title, persona.name))
    sampling = choices.sampling or persona.sampling
    return {
        panel.persona: gr.update(choices=names, value=persona.name),
        panel.persistence: choices.persistence or "persona",
        panel.guard: choices.guard or "server",
        panel.own: choices.sampling is not None,
        panel.drawing: gr.update(visible=choices.sampling is not None),
        panel.temperature: sampling.temperature,
        panel.top_p: sampling.top_p,
        panel.max_tokens: sampling.max_tokens,
        panel.seed: sampling.seed,
        panel.exports: render("exports", conversation=tab.conversation),
    }


def panel_state(desk: Desk, tab: Tab, persona: Persona) -> object:
    """Stands for what the panel shows once it is up to date."""
    return tab.conversation, persona, desk.library.all(), desk.choices(tab)
