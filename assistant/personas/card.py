"""Character Cards (V1, V2 and V3) as personas, and personas as Character Cards V2.

A card is kept whole in `Persona.extensions`, so exporting gives back every field, known or not. Only what was
edited in the persona since is changed in it.
"""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from assistant.personas.files import PersonaFileError, Problem, read_bytes, validate
from assistant.personas.persona import Persona
from assistant.personas.png import text_chunks
from assistant.text import clean_text

KEY = "character_card"
_OWN = "steadfast"
MAX_IMAGE_BYTES = 32_000_000
MAX_TEXT_BYTES = 3_000_000
_GREETING_LIMIT, _DESCRIPTION_LIMIT, _TITLE_LIMIT = 4_000, 200, 80

# What the card's `{{original}}` stands for, and what leads when the card brings no system prompt of its own.
_DEFAULT_PROMPT = "You are {{char}}. Stay in character in every reply."
_MACRO = re.compile(r"\{\{(char|user|original)\}\}|<(bot|char|user)>", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def read_card(path: Path) -> Persona:
    """The persona in a Character Card, a JSON file or a PNG image; raises PersonaFileError."""
    if path.suffix.lower() == ".png":
        text = _embedded(path, read_bytes(path, MAX_IMAGE_BYTES))
    else:
        text = read_bytes(path, MAX_TEXT_BYTES)
    try:
        card = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _fault(path, "", f"holds no character card that can be read as JSON: {error}") from None
    return import_card(card, path)


def import_card(card: Any, source: Path) -> Persona:
    """A parsed Character Card as a persona; faults name `source`. Raises PersonaFileError."""
    card = _whole_characters(card)
    data = card.get("data", card) if isinstance(card, dict) else None
    if not isinstance(data, dict) or "name" not in data:
        message = "is not a character card; expected a JSON object with name and description, or with data"
        raise _fault(source, "", message)
    return validate(source, {**_mapped(data, source), "extensions": {KEY: card}})


def export_card(persona: Persona) -> dict[str, Any]:
    """A persona as a Character Card V2. A card that was imported comes back with its own fields."""
    card = copy.deepcopy(persona.extensions.get(KEY))
    if not isinstance(card, dict):
        card = {}
    if not isinstance(card.get("data"), dict):
        card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {**_EMPTY, **card}}
    wanted = persona.model_dump(mode="json", exclude={"extensions"})
    changes = _edits(card["data"], wanted)
    card["data"].update(changes)
    # Some programs repeat the V1 fields outside `data`, and read those first.
    card.update({field: value for field, value in changes.items() if field in card})
    return card


def _edits(data: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The card fields to change so that reading the card gives the `wanted` persona again."""
    changes: dict[str, Any] = {}
    if _reading(data).get("title") != wanted["title"]:
        changes["name"] = wanted["title"] if _clean_name(wanted["title"]) else wanted["name"]
    now = _reading({**data, **changes})
    for key, (first, *others) in _EDITED.items():
        if now.get(key) != wanted[key]:
            changes |= {first: wanted[key], **dict.fromkeys(others, "")}
    if _reading({**data, **changes}) != wanted:
        # What a card has no field for, such as sampling, goes to its extensions.
        found = data.get("extensions")
        foreign = {key: found[key] for key in found if key != _OWN} if isinstance(found, dict) else {}
        plain = _reading({**data, **changes, "extensions": foreign})
        own = {key: value for key, value in wanted.items() if key not in plain or value != plain[key]}
        changes["extensions"] = {**foreign, _OWN: own} if own else foreign
    return changes


def _reading(data: dict[str, Any]) -> dict[str, Any]:
    """The persona that a card's data gives, as plain values; empty when it gives none."""
    try:
        return validate(Path(), _mapped(data, Path())).model_dump(mode="json", exclude={"extensions"})
    except PersonaFileError:
        return {}


# Persona fields and the card fields they come from: an edit goes to the first and empties the others.
_EDITED = {
    "instruction": ("system_prompt", "description", "personality", "scenario"),
    "reminder": ("post_history_instructions",),
    "greeting": ("first_mes",),
    "description": ("creator_notes",),
    "tags": ("tags",),
}
_EMPTY: dict[str, Any] = {
    "name": "",
    "description": "",
    "personality": "",
    "scenario": "",
    "first_mes": "",
    "mes_example": "",
    "creator_notes": "",
    "system_prompt": "",
    "post_history_instructions": "",
    "alternate_greetings": [],
    "tags": [],
    "creator": "",
    "character_version": "",
    "extensions": {},
}


def _mapped(data: dict[str, Any], source: Path) -> dict[str, Any]:
    """The persona fields that a card's data stands for."""

    def field(key: str, user: str = "the user") -> str:
        value = data.get(key)
        if value is not None and not isinstance(value, str):
            raise _fault(source, f"data.{key}", "must be text in quotes")
        return _fill(value or "", name, user, original=_DEFAULT_PROMPT if key == "system_prompt" else "")

    name = _clean_name(data.get("name"))
    if not name:
        raise _fault(source, "data.name", "is missing; give the character a name")
    described = [
        field("description"),
        _labelled("Personality", field("personality")),
        _labelled("Scenario", field("scenario")),
    ]
    prompt = field("system_prompt")
    if not prompt.strip():
        prompt = _fill(_DEFAULT_PROMPT, name, "the user", "")
    reminder = field("post_history_instructions")
    tags = data.get("tags")
    return {
        "name": _slug(name),
        "title": _shorten(name, _TITLE_LIMIT),
        "description": _shorten(re.sub(r"<[^<>]*>", " ", field("creator_notes")), _DESCRIPTION_LIMIT),
        "instruction": "\n\n".join(part for part in (prompt, *described) if part.strip()),
        "reminder": reminder,
        "greeting": _cut(field("first_mes", user="friend"), _GREETING_LIMIT),
        "persistence": "remind" if reminder.strip() else "pin",
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        **_own_fields(data),
    }


def _own_fields(data: dict[str, Any]) -> dict[str, Any]:
    extensions = data.get("extensions")
    own = extensions.get(_OWN) if isinstance(extensions, dict) else None
    if not isinstance(own, dict):
        return {}
    return {key: own[key] for key in Persona.model_fields if key in own and key != "extensions"}


def _fill(text: str, name: str, user: str, original: str) -> str:
    def put(match: re.Match[str]) -> str:
        macro = (match[1] or match[2]).lower()
        if macro == "original":
            return _fill(original, name, user, "")
        return user if macro == "user" else name

    # A card is a stranger's text: control characters could rewrite the terminal it is shown in.
    return _CONTROL.sub("", _MACRO.sub(put, text.replace("\r\n", "\n").replace("\r", "\n")))


def _clean_name(name: Any) -> str:
    return " ".join(_CONTROL.sub(" ", name).split()) if isinstance(name, str) else ""


def _labelled(label: str, text: str) -> str:
    return f"{label}: {text}" if text.strip() else ""


def _shorten(text: str, limit: int) -> str:
    return _cut(" ".join(text.split()), limit)


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, ending after a whole word."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    return (head[: head.rfind(" ")] if " " in head[limit // 2 :] else head).rstrip() + "…"


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].rstrip("-")
    # A name without Latin letters has no slug of its own.
    return slug or f"character-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _embedded(path: Path, image: bytes) -> bytes:
    """The card text in a PNG image: base64 in a text chunk named `chara`, or `ccv3` for a V3 card."""
    try:
        found = {key: text for key, text in text_chunks(image, MAX_TEXT_BYTES) if key in ("chara", "ccv3")}
        packed = found.get("chara", found.get("ccv3"))
        if packed is None:
            raise ValueError("carries no character card; ask for the original image, not a converted copy")
        return base64.b64decode(packed, validate=True)
    except binascii.Error:
        raise _fault(path, "", "has a damaged character card (not base64); download it again") from None
    except ValueError as error:
        raise _fault(path, "", str(error)) from None


def _whole_characters(card: Any) -> Any:
    """The card with `clean_text` applied to every text in it; half an emoji cannot be stored."""
    try:
        return json.loads(clean_text(json.dumps(card, ensure_ascii=False)))
    except (ValueError, TypeError, RecursionError):
        return card


def _fault(path: Path, field: str, message: str) -> PersonaFileError:
    return PersonaFileError([Problem(path, field, message)])
