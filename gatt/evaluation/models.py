"""Opening the models of an evaluation, each once, however many arms it serves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.engines.catalog import list_models, open_engine
from assistant.engines.protocol import Engine
from assistant.settings import Settings
from gatt.errors import GattError
from gatt.evaluation.arms import Arm

BASELINE, REMINDER, GATT = "baseline", "reminder", "gatt"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is open. `folder` holds its weights; `digest` is the SHA-256 of these."""

    name: str
    engine: Engine
    folder: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Contest:
    """The arms in the order they are shown, and the model of each."""

    arms: tuple[Arm, ...]
    models: dict[str, Model]
    helper: Arm

    async def close(self) -> None:
        for engine in {id(model.engine): model.engine for model in self.models.values()}.values():
            await engine.close()


def open_contest(settings: Settings, names: Sequence[str], model: str | None, baseline: str | None) -> Contest:
    """Arms by name: baseline, reminder (the baseline with reminders), gatt (`model`), or any `name=FOLDER`.

    Raises:
        GattError: an arm of an unknown kind, or named twice, or the model before tuning is not given.
        EngineError: a model cannot be opened.
    """
    opened: dict[str, Model] = {}
    arms: dict[str, Arm] = {}
    models: dict[str, Model] = {}
    if GATT in names and {BASELINE, REMINDER} & set(names) and not baseline:
        raise GattError(f"{BASELINE} and {REMINDER} are the model before tuning: name it with --baseline")
    base, tuned = baseline or model or "bundled", model or "bundled"
    for text in names:
        name, _, folder = text.partition("=")
        if not folder and name not in (BASELINE, REMINDER, GATT):
            raise GattError(f"there is no arm '{name}': use {BASELINE}, {REMINDER}, {GATT}, or NAME=FOLDER")
        if name in arms:
            raise GattError(f"two arms are called '{name}': give each a name of its own")
        wanted = folder or (tuned if name == GATT else base)
        if wanted not in opened:
            opened[wanted] = _open(settings, wanted)
        models[name] = opened[wanted]
        arms[name] = Arm(name, opened[wanted].engine, reminds=name == REMINDER and not folder)
    if not arms:
        raise GattError(f"no arm is left: give some of {BASELINE}, {REMINDER}, {GATT} to --arms")
    if base not in opened:
        opened[base] = _open(settings, base)
    return Contest(tuple(arms.values()), models, Arm("helper", opened[base].engine, reminds=True))


def folder_of(settings: Settings, model: str) -> Path:
    """Where the weights of a model are, by its name or folder."""
    known = {entry.name: entry.path for entry in list_models(settings)}
    return known.get(model) or Path(model).expanduser()


def _open(settings: Settings, model: str) -> Model:
    folder = folder_of(settings, model)
    # Several models at once: each vLLM engine would claim most of the GPU for itself.
    engine = open_engine(settings, model=model, engine="transformers").engine
    return Model(model, engine, folder, digest_of(*sorted(folder.glob("*.safetensors"))))


def digest_of(*files: Path) -> str:
    """SHA-256 of the files' bytes, one after the other, in hex."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
