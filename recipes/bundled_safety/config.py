"""Every number of the recipe, in one place. `config.toml` beside this file holds the values of the first edition."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

HERE = Path(__file__).parent


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """One origin of examples: the rows of a file whose `src` matches.

    `kind` says what a row holds; see `sources.py`. `prompts` is what its prompts alone count as, if they are to be
    judged, too. At most `most` examples are taken of each kind and label, and `per_prompt` of each prompt.
    """

    folder: Literal["safety", "chat"]
    file: str
    src: str
    kind: Literal["request", "reply", "pair", "answers", "chat", "text"]
    prompts: Literal["", "harmful", "benign", "unless declined"] = ""
    most: int
    per_prompt: int = 0
    # How often each is learned from.
    times: int = 1
    # Words in the prompts of examples to be left out.
    without: list[str] = []


class Evaluation(Strict):
    """A public test set. None of its `columns` may be near anything trained on; the first is measured."""

    file: str
    columns: list[str]
    role: Literal["harmful", "benign", "other"]


class Shares(Strict):
    """Of all prompts, those kept for calibration and those kept for the test."""

    calibrate: float
    test: float


class Made(Strict):
    """How many examples are put together from others; `reworded` and `contrast` are shares of the prompts that can."""

    requests: int
    declined: int
    mixed: int
    persona_chats: int
    hazards: int
    reworded: float
    contrast: float


class Dressing(Strict):
    """Shares of examples that get a persona, earlier turns, a cut; the same for safe and unsafe ones but the cut.

    `declined` of the earlier turns are a harmful request that was declined. An unsafe reply is cut only behind
    `least` words and `late` of its length: before, it need not be unsafe.
    """

    persona: float
    history: float
    declined: float
    cut_safe: float
    cut_unsafe: float
    least: int
    late: float


class Base(Strict):
    """What is trained on: a model in a package of the registry, or a folder of this repository."""

    name: str
    learning_rate: float
    package: str = ""
    sha256: str = ""
    folder: str = ""
    title: str
    license: str


class Training(Strict):
    length: int
    batch: int
    epochs: float
    pair_weight: float


class Recipe(Strict):
    seed: int
    alike: float = Field(gt=0, le=1)
    rates: list[float]
    safe_set: int
    limit_mb: float
    shares: Shares
    made: Made
    dressing: Dressing
    training: Training
    bases: list[Base]
    sources: list[Source]
    evaluations: list[Evaluation]


def load(path: Path = HERE / "config.toml") -> Recipe:
    """Read a recipe. Raises pydantic.ValidationError naming the field that is wrong."""
    return Recipe.model_validate(tomllib.loads(path.read_text("utf-8")))
