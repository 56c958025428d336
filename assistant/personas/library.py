"""The personas on this machine: those shipped with the package and the user's own."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_config_dir

from assistant.errors import AssistantError
from assistant.personas.files import (
    SUFFIXES,
    PersonaFileError,
    Problem,
    read_bytes,
    read_persona,
    replace_file,
    to_toml,
    validate,
    write_persona,
)
from assistant.personas.persona import Persona

SHIPPED_DIR = Path(__file__).parent / "shipped"


class UnknownPersonaError(AssistantError):
    """No persona has this name."""


class PersonaExistsError(AssistantError):
    """A persona of this name is there already, and it was not asked to be replaced."""


class PersonaLibrary:
    """Personas by name. A file of the user comes before a shipped one of the same name.

    Files are read on first use and again when the user's folder changes, so an edit shows at once. A broken
    file is listed in `problems` and hides no other persona.
    """

    def __init__(self, user_dir: Path | None = None) -> None:
        self.user_dir = user_dir if user_dir is not None else Path(user_config_dir("steadfast")) / "personas"
        self._held: _Shelf | None = None

    def get(self, name: str) -> Persona:
        """The persona of this name; raises UnknownPersonaError, which names the nearest one."""
        shelf = self._shelf()
        if name in shelf.personas:
            return shelf.personas[name]
        for problem in shelf.problems:
            if problem.file.stem == name:
                raise UnknownPersonaError(f"persona {name!r} cannot be used: {problem}")
        near = difflib.get_close_matches(name, shelf.personas, 1, 0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownPersonaError(f"there is no persona {name!r}; {hint}list them with: assistant personas list")

    def all(self) -> list[Persona]:
        """Every usable persona, by name."""
        personas = self._shelf().personas
        return [personas[name] for name in sorted(personas)]

    @property
    def problems(self) -> list[Problem]:
        """Files that could not be used, each with the field and the fix."""
        return list(self._shelf().problems)

    def path(self, name: str) -> Path:
        """The file a persona was read from; raises UnknownPersonaError."""
        self.get(name)
        return self._shelf().paths[name]

    def add(self, path: Path, *, replace: bool = False) -> Persona:
        """Check a TOML, YAML or Character Card (JSON, PNG) file and copy it into the user's folder.

        Raises PersonaFileError when the file is not usable, PersonaExistsError when a persona
        has its name and `replace` is off.
        """
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            data, persona = read_bytes(path), read_persona(path)
        elif suffix in (".json", ".png"):
            from assistant.personas.card import read_card

            persona = read_card(path)
            data, suffix = to_toml(persona).encode(), ".toml"
        else:
            message = "is of an unknown kind; give a .toml or .yaml persona, or a .json or .png character card"
            raise PersonaFileError([Problem(path, "", message)])
        if not replace:
            self._refuse_existing(persona.name)
        self._put(persona.name, suffix, data)
        return persona

    def save(self, persona: Persona) -> Path:
        """Write a persona to the user's folder as TOML, in place of its older form; gives the file.

        Comments in a TOML file stay. Raises PersonaFileError when the persona or the folder does not allow
        it.
        """
        checked = validate(self._target(persona.name, ".toml"), persona.model_dump())
        return self._put(persona.name, ".toml", checked)

    def _refuse_existing(self, name: str) -> None:
        path = self._shelf().paths.get(name)
        if path is None:
            return
        if path.parent == SHIPPED_DIR:
            raise PersonaExistsError(f"{name!r} is a shipped persona; add --replace to put yours before it")
        raise PersonaExistsError(f"{name!r} exists in {path}; add --replace to replace it, or change its name")

    def _target(self, name: str, suffix: str) -> Path:
        """Where a persona belongs: over its own file if the kind is the same, else a file of its name."""
        paths = self._shelf().paths
        current = paths.get(name)
        if current is not None and current.parent == self.user_dir and current.suffix.lower() == suffix:
            return current
        path = self.user_dir / f"{name}{suffix}"
        owner = next((other for other, file in paths.items() if file == path), None)
        if owner is not None and owner != name:
            raise PersonaExistsError(f"{path} holds the persona {owner!r}; rename that file to {owner}{suffix}")
        return path

    def _put(self, name: str, suffix: str, content: bytes | Persona) -> Path:
        target = self._target(name, suffix)
        current = self._shelf().paths.get(name)
        if isinstance(content, Persona):
            write_persona(target, content)
        else:
            replace_file(target, content)
        if current is not None and current.parent == self.user_dir and current != target:
            # The same persona in another format would shadow this one; it stays beside it, unread.
            current.replace(current.with_name(current.name + ".bak"))
        self._held = None
        return target

    def _shelf(self) -> _Shelf:
        signature = _signature(self.user_dir)
        held = self._held
        if held is None or held.signature != signature:
            # Filled before it is shown: other threads read it too.
            held = _Shelf(signature, problems=list(signature.problems))
            for folder in (SHIPPED_DIR, self.user_dir):
                _read_folder(folder, held)
            self._held = held
        return held


@dataclass(frozen=True, slots=True)
class _Signature:
    """What changes when a file of a folder does, and why the folder as a whole cannot be read."""

    files: tuple[tuple[str, int, int], ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Shelf:
    """Everything read at one time."""

    signature: _Signature
    personas: dict[str, Persona] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def _read_folder(folder: Path, shelf: _Shelf) -> None:
    taken: dict[str, Path] = {}
    for path in _persona_files(folder):
        try:
            persona = read_persona(path)
        except PersonaFileError as error:
            shelf.problems += error.problems
            continue
        if persona.name in taken:
            message = f"is {persona.name!r}, as in {taken[persona.name].name}; change one of the two"
            shelf.problems.append(Problem(path, "name", message))
            continue
        taken[persona.name] = path
        shelf.personas[persona.name], shelf.paths[persona.name] = persona, path


def _persona_files(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError:
        return []
    return sorted(path for path in found if not path.name.startswith("."))


def _signature(folder: Path) -> _Signature:
    problems: tuple[Problem, ...] = ()
    try:
        if folder.exists():
            next(folder.iterdir(), None)
    except OSError as error:
        problems = (Problem(folder, "", f"cannot be read ({error.strerror}); it must be a folder"),)
    files = []
    for path in _persona_files(folder):
        try:
            stat = path.stat()
        except OSError:
            files.append((path.name, 0, 0))
        else:
            files.append((path.name, stat.st_mtime_ns, stat.st_size))
    return _Signature(tuple(files), problems)
