"""The personas page: what there is, and an editor that says at once what is wrong."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gradio as gr
import tomlkit

from assistant.engines.protocol import Engine
from assistant.errors import AssistantError
from assistant.personas.files import PersonaFileError, Problem, validate
from assistant.personas.library import PersonaLibrary
from assistant.personas.persona import Persona
from ui.render import render
from ui.sessions import Sessions

_FILE: Final = Path("persona")
_QUIET: Final[dict[str, Any]] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": None,
    "trigger_mode": "always_last",
}
# One after the other: what a check says must not come after what saving says.
_IN_TURN: Final = _QUIET | {"concurrency_limit": 1, "concurrency_id": "editor"}
# The form's fields, in its order.
FIELDS: Final = (
    "name",
    "title",
    "description",
    "instruction",
    "terse",
    "reminder",
    "greeting",
    "refusal",
    "persistence",
    "temperature",
    "top_p",
    "max_tokens",
    "tags",
    "checks",
)


@dataclass(slots=True)
class Draft:
    """What is being edited: the persona's `name` (empty for a new one), what of it the form does not show, and the
    form's values when they were `saved`, with what was `said` then."""

    name: str = ""
    extensions: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    saved: dict[str, Any] | None = None
    said: str = ""

    def begin(self, persona: Persona | None) -> None:
        """Edit this persona from now on; None: a new one."""
        self.name = "" if persona is None else persona.name
        self.extensions = {} if persona is None else persona.extensions
        self.sampling = {} if persona is None else persona.sampling.model_dump()
        self.saved = None


def add_editor(page: gr.Blocks, library: PersonaLibrary, engine: Engine, *, locked: bool, js: str) -> None:
    """The page. `locked`: several people share the personas, so nobody changes them here. `js`: see `page`."""
    with page.route("Personas", "/personas"):
        gr.Navbar(visible=False)
        with gr.Column(elem_id="personas", elem_classes="sheet"):
            gr.HTML(render("personas-head", locked=locked), apply_default_css=False, padding=False)
            shelf = gr.HTML("", elem_id="shelf-of-personas", apply_default_css=False, padding=False, js_on_load=js)
            with gr.Column(visible=False, elem_id="editor") as editor:
                fields = _form()
                report = gr.HTML("", elem_id="report", apply_default_css=False, padding=False)
                with gr.Row():
                    save = gr.Button("Save", variant="primary", elem_id="save-persona", interactive=False)
                    close = gr.Button("Close", elem_id="close-persona")
    drafts = Sessions(Draft)

    def shown() -> str:
        return render("shelf", personas=library.all(), problems=[str(one) for one in library.problems], locked=locked)

    def act(event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        said = event._data or {}
        if locked or said.get("act") not in ("edit", "new"):
            return {}
        try:
            persona = library.get(str(said.get("name"))) if said.get("act") == "edit" else None
        except AssistantError as error:
            return {report: render("report", problems=[("", str(error))], tokens=(0, 0), saved="")}
        values = to_fields(persona) if persona is not None else to_fields(_BLANK) | {"name": "", "title": ""}
        draft = drafts.of(request.session_hash)
        draft.begin(persona)
        return {
            editor: gr.update(visible=True),
            report: "" if persona is None else judge(values, problems_of(values, draft), engine),
            save: gr.update(interactive=persona is not None),
            **{field: values[name] for name, field in zip(FIELDS, fields, strict=True)},
        }

    def check(request: gr.Request, *values: Any) -> dict[Any, Any]:
        given, draft = dict(zip(FIELDS, values, strict=True)), drafts.of(request.session_hash)
        problems = problems_of(given, draft)
        found = draft.said if given == draft.saved else judge(given, problems, engine)
        return {report: found, save: gr.update(interactive=not problems)}

    def store(request: gr.Request, *values: Any) -> dict[Any, Any]:
        given, draft = dict(zip(FIELDS, values, strict=True)), drafts.of(request.session_hash)
        try:
            if locked:
                raise AssistantError("personas are shared here: whoever runs the server adds them")
            persona = to_persona(given, draft)
            if persona.name != draft.name and persona.name in {one.name for one in library.all()}:
                raise AssistantError(
                    f"there is a persona '{persona.name}' already: take another name, or edit that one"
                )
            path = library.save(persona)
        except AssistantError as error:
            return {report: render("report", problems=[("", str(error))], tokens=(0, 0), saved="")}
        done = render(
            "report", problems=[], tokens=(engine.template.count(persona.instruction), engine.window), saved=str(path)
        )
        draft.name, draft.saved, draft.said = persona.name, given, done
        return {report: done, shelf: shown()}

    with page:
        page.load(shown, None, shelf, **_QUIET)
        outputs = [editor, report, save, *fields]
        shelf.act(act, None, outputs, **_QUIET)
        gr.on([field.change for field in fields], check, fields, [report, save], **_IN_TURN)
        save.click(store, fields, [report, shelf], **_IN_TURN)
        close.click(lambda: gr.update(visible=False), None, editor, **_QUIET)


def _form() -> list[Any]:
    return [
        gr.Textbox(label="Name", info="Lowercase letters, digits and hyphens", elem_id="field-name", max_lines=1),
        gr.Textbox(label="Title", info="Who it is, as people see it", elem_id="field-title", max_lines=1),
        gr.Textbox(label="In one line", elem_id="field-description", max_lines=2),
        gr.Textbox(label="Instruction", info="Sent whole with every request", lines=6, elem_id="field-instruction"),
        gr.Textbox(label="The same in a few words", lines=2, elem_id="field-terse"),
        gr.Textbox(label="Reminder", info="Joined to a message where one is needed", lines=2, elem_id="field-reminder"),
        gr.Textbox(label="Greeting", lines=2, elem_id="field-greeting"),
        gr.Textbox(label="Refusal", info="Said in place of a reply that is held back", elem_id="field-refusal"),
        gr.Radio(
            [("Said once, first", "pin"), ("Reminded each time", "remind")],
            value="pin",
            label="How the instruction is kept",
            elem_id="field-persistence",
        ),
        gr.Slider(0, 2, 0.7, step=0.05, label="Temperature", elem_id="field-temperature"),
        gr.Slider(0.05, 1, 0.9, step=0.05, label="Top p", elem_id="field-top-p"),
        gr.Slider(16, 4096, 256, step=16, label="Longest reply, in tokens", elem_id="field-max-tokens"),
        gr.Textbox(label="Tags, with commas between", elem_id="field-tags", max_lines=1),
        gr.Textbox(
            label="Checks, one a line",
            info='What a program can see in a reply, such as: kind = "contains", value = "arr|matey"',
            lines=2,
            elem_id="field-checks",
        ),
    ]


_BLANK: Final = Persona(name="new", title="New", instruction=" ")


def to_fields(persona: Persona) -> dict[str, Any]:
    """A persona as the form's values."""
    values = persona.model_dump(mode="json")
    lines = []
    for check in persona.checks:
        parts = check.model_dump(mode="json", exclude_defaults=True)
        lines.append(", ".join(f"{key} = {_toml(value)}" for key, value in parts.items()))
    sampling = persona.sampling
    return {name: values.get(name, "") for name in FIELDS} | {
        "instruction": persona.instruction.strip(),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "tags": ", ".join(persona.tags),
        "checks": "\n".join(lines),
    }


def to_persona(given: dict[str, Any], draft: Draft) -> Persona:
    """The persona that the form's values make, with what of an edited one the form does not show.

    Raises:
        PersonaFileError: with every problem and its field.
    """
    values = {name: given[name] or "" for name in FIELDS[:9]}
    values["sampling"] = draft.sampling | {
        "temperature": given["temperature"],
        "top_p": given["top_p"],
        "max_tokens": given["max_tokens"],
    }
    values["tags"] = [tag.strip() for tag in (given["tags"] or "").split(",") if tag.strip()]
    values["checks"] = [_check(line) for line in (given["checks"] or "").splitlines() if line.strip()]
    values["extensions"] = draft.extensions
    return validate(_FILE, values)


def problems_of(given: dict[str, Any], draft: Draft) -> list[tuple[str, str]]:
    """What is wrong with the form's values, each with its field."""
    try:
        to_persona(given, draft)
    except PersonaFileError as error:
        return [(problem.field, problem.message) for problem in error.problems]
    return []


def judge(given: dict[str, Any], problems: list[tuple[str, str]], engine: Engine) -> str:
    """The problems as HTML, or how much of the window the instruction takes."""
    tokens = engine.template.count(given["instruction"] or "")
    return render("report", problems=problems, tokens=(tokens, engine.window), saved="")


def _check(line: str) -> dict[str, Any]:
    try:
        return dict(tomllib.loads(f"check = {{ {line.strip()} }}")["check"])
    except tomllib.TOMLDecodeError:
        message = f'cannot be read: {line.strip()!r:.80}; write a line like kind = "contains", value = "arr|matey"'
        raise PersonaFileError([Problem(_FILE, "checks", message)]) from None


def _toml(value: Any) -> str:
    return str(tomlkit.item(value).as_string())
