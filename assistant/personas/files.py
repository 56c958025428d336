"""One persona file: reading it with problems in plain words, and writing it."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from assistant.errors import AssistantError
from assistant.personas.persona import Persona
from assistant.sampling import Sampling

SUFFIXES = (".toml", ".yaml", ".yml")
# A Character Card with a large lore book is kept whole, so this is far above a hand-written persona.
MAX_BYTES = 4_000_000
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one persona file. `field` is empty when the file as a whole cannot be read."""

    file: Path
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.file), self.field, self.message) if part)


class PersonaFileError(AssistantError):
    """A persona file cannot be used; `problems` holds one entry per fault."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; raises PersonaFileError."""
    try:
        if path.is_dir():
            raise _broken(path, "is a folder; put the persona in a file of this name")
        if path.exists() and not path.is_file():
            raise _broken(path, "is not a regular file")
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror or error}); check its path and rights") from None
    if len(data) > limit:
        raise _broken(path, f"is larger than {limit // 1000} kB; a persona is a few kB of text")
    return data


def read_text(path: Path) -> str:
    """A file's UTF-8 text, without a byte order mark; raises PersonaFileError."""
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _broken(path, f"is not UTF-8 text (line {line}); save it as UTF-8") from None
    if "\0" in text:
        raise _broken(path, "is a binary file; a persona is TOML or YAML text")
    return text


def read_persona(path: Path) -> Persona:
    """The persona in a TOML or YAML file; raises PersonaFileError with every fault found."""
    text = read_text(path)
    values = _parse_toml(path, text) if path.suffix.lower() == ".toml" else _parse_yaml(path, text)
    if not isinstance(values, dict):
        raise _broken(path, "holds no fields; begin with a line like: name: my-persona")
    return validate(path, values)


def validate(path: Path, values: dict[str, Any]) -> Persona:
    """The persona with these fields; faults are reported as of `path`. Raises PersonaFileError."""
    values = {**values, "extensions": _extensions(path, values.get("extensions", {}))}
    try:
        persona = Persona.model_validate(values)
    except ValidationError as error:
        problems = [_explain(path, detail) for detail in error.errors(include_url=False)]
        raise PersonaFileError(list(dict.fromkeys(problems))) from None
    for field in ("title", "instruction"):
        if not getattr(persona, field).strip():
            raise PersonaFileError([Problem(path, field, "is blank; write some text")])
    return persona


def write_persona(path: Path, persona: Persona) -> None:
    """Write a persona as TOML, keeping the comments of the file it replaces. Raises PersonaFileError."""
    replace_file(path, to_toml(persona, path).encode())


def to_toml(persona: Persona, base: Path | None = None) -> str:
    """A persona as TOML text; `base` is a file whose comments and order to keep where possible."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    document = tomlkit.document()
    if base is not None and base.is_file():
        with contextlib.suppress(PersonaFileError, TOMLKitError):  # A broken file has nothing to keep.
            document = tomlkit.parse(read_text(base))
    for attempt in (document, tomlkit.document()):
        _merge(attempt, _plain(persona), persona.model_dump(mode="json"))
        text = tomlkit.dumps(attempt)
        # A layout that cannot be edited in place, such as dotted keys, is written anew.
        with contextlib.suppress(tomllib.TOMLDecodeError, PersonaFileError):
            if validate(base or Path(), tomllib.loads(text)) == persona:
                return text
    raise _broken(base or Path(), f"persona {persona.name!r} cannot be written as TOML; simplify its text")


def replace_file(path: Path, data: bytes) -> None:
    """Put a whole file in place at once: a reader sees the old or the new. Raises PersonaFileError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _broken(path, f"cannot be written ({error.strerror or error})") from None


def _broken(path: Path, message: str) -> PersonaFileError:
    return PersonaFileError([Problem(path, "", message)])


def _parse_toml(path: Path, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(path, f"is not valid TOML: {error}") from None
    except (RecursionError, ValueError):
        raise _broken(path, "is nested too deep or has a number that is too long") from None


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: a few lines of them can stand for gigabytes of data."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="an alias (*name) is not allowed; write it out", problem_mark=mark)
        return super().compose_node(parent, index)


def _parse_yaml(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_PlainLoader)  # A SafeLoader.
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (at line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise _broken(path, f"is not valid YAML: {error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:
        raise _broken(path, f"is not valid YAML: {' '.join(str(error).split())}") from None
    except (RecursionError, ValueError):
        raise _broken(path, "is nested too deep or has a value that cannot be read") from None


def _extensions(path: Path, value: Any) -> dict[str, Any]:
    """Foreign data as JSON values. TOML has no null, so `to_toml` writes them as one JSON string."""
    try:
        plain = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(plain, default=str, ensure_ascii=False, allow_nan=False)
        text.encode()
        plain = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise PersonaFileError([Problem(path, "extensions", f"is not JSON data: {error}")]) from None
    if not isinstance(plain, dict):
        raise PersonaFileError([Problem(path, "extensions", "must be a table or a JSON object in quotes")])
    level: list[Any] = [plain]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in (parent.values() if isinstance(parent, dict) else parent)]
        level = [child for child in level if isinstance(child, (dict, list))]
    if level:
        raise PersonaFileError([Problem(path, "extensions", f"is nested more than {MAX_DEPTH} levels deep")])
    return plain


def _plain(persona: Persona) -> dict[str, Any]:
    """The fields worth writing: those that differ from their defaults."""
    values = persona.model_dump(mode="json", exclude_defaults=True)
    if persona.extensions:
        # Escaping the quote and DEL lets any JSON stand in a TOML literal string, readable and unescaped.
        text = json.dumps(persona.extensions, ensure_ascii=False, indent=1, allow_nan=False)
        values["extensions"] = text.replace("'", "\\u0027").replace("\x7f", "\\u007f")
    return values


def _merge(table: Any, values: dict[str, Any], full: dict[str, Any]) -> None:
    """Bring a TOML table to these values; an equal entry is not touched."""
    import tomlkit

    for key in [key for key in table if key not in values and (key not in full or table[key] != full[key])]:
        del table[key]
    for key, value in values.items():
        current = table.get(key)
        if isinstance(value, dict) and isinstance(current, dict):
            _merge(current, value, full[key])
        elif isinstance(value, str) and value != current and "\n" in value and "\r" not in value:
            # A carriage return survives only as an escape, on one line.
            table[key] = tomlkit.string(value, literal=key == "extensions", multiline=True)
        elif value != current:
            table[key] = value


_FIXES = {
    "string_type": "must be text in quotes",
    "string_unicode": "holds characters that are not valid Unicode; type them again",
    "list_type": 'must be a list, such as ["a", "b"]',
    "tuple_type": 'must be a list, such as ["a", "b"]',
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "model_type": "must be a table of settings, such as: [sampling] and below it temperature = 0.7",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def _explain(path: Path, detail: ErrorDetails) -> Problem:
    """A validation fault in the words of a person who writes the file."""
    place = [str(part) for part in detail["loc"]]
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "extra_forbidden":
        keys = list(Sampling.model_fields if len(place) > 1 else Persona.model_fields)
        near = difflib.get_close_matches(place[-1], keys, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
        message = f"is not a field of a persona; {hint}" if len(place) == 1 else f"is not a setting; {hint}"
    elif kind == "missing":
        message = f'is missing; add a line like: {place[-1]} = "..."'
    elif kind == "string_pattern_mismatch":
        message = f"is {given!r:.80}; use up to 64 lowercase letters, digits and hyphens, such as professor-ada"
    elif kind == "string_too_long":
        message = f"is {len(given)} characters long; shorten it to at most {context['max_length']}"
    elif kind == "string_too_short":
        message = "is empty; write some text"
    elif kind == "too_long":
        message = f"has too many entries; keep at most {context['max_length']}"
    elif kind == "literal_error":
        message = f"is {given!r:.80}; use {context['expected']}"
    elif kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        message = f"is {given!r:.80}; use a number of {words} {context[key]:g}"
    elif kind in _FIXES:
        message = f"{_FIXES[kind]}, not {_kind(given)}"
    else:
        message = detail["msg"]
    return Problem(path, ".".join(place), message)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return f"{value}".lower()
    names: dict[type, str] = {
        str: "text",
        int: "a number",
        float: "a number",
        dict: "a table",
        list: "a list",
    }
    return "nothing" if value is None else f"{names.get(type(value), 'a ' + type(value).__name__)} ({value!r:.60})"
