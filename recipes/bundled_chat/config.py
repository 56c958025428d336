"""Every number of the recipe, in one place. `config.toml` beside this file holds the values of the first edition."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

HERE = Path(__file__).parent
CHARACTERS = HERE / "characters.toml"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Architecture(Strict):
    """A Llama. `window` is in tokens."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    feed_forward: int
    window: int


class Source(Strict):
    """One origin of text: rows whose `src` matches are kept until `tokens` are reached."""

    file: str
    src: str
    tokens: int


class Stage(Strict):
    """One run of the training loop. `learning_rate` is the peak; it falls linearly in the last `decay` share."""

    tokens: int
    batch_tokens: int
    learning_rate: float
    warmup_steps: int
    decay: float
    weight_decay: float = 0.05


class Pretraining(Stage):
    """`length` is that of a training row, in tokens."""

    length: int


class Pass(Strict):
    """One run of `gatt train` over the rows, beside `rehearsed` dialogues of the first tuning's kind and `firm` ones of
    the second's."""

    rehearsed: int = 0
    firm: int = 0


class Round(Strict):
    """Rows built with the model as it is, and the passes over them. `persona_rows` more are of the shipped personas.

    In a share `orders` of the source's messages the user orders something else, which the reply there does not heed.
    """

    seed: int
    rows: int
    persona_rows: int = 0
    orders: float = 0.0
    passes: list[Pass]


class Ghost(Strict):
    """Ghost Attention: what `gatt build-dataset` and `gatt train` are given. `turns` is the least and most of a row."""

    dialogues: int
    per_dialogue: int
    candidates: int
    turns: str
    most: int
    plain: float
    ask: float
    copies: int
    history: str
    temperature: float
    max_tokens: int
    learning_rate: float
    batch_tokens: int
    families: list[str]
    rounds: list[Round]


class FarBack(Stage):
    """A pass of the last tuning: rows whose instruction is far back, beside dialogues of the kinds of both tunings.

    `thinned` ones have lost exchanges in between and keep their positions, `whole` ones have not.
    `spelled` are short chats in capitals or small letters.
    """

    seed: int
    thinned: int
    whole: int
    spelled: int
    firm: int
    rehearsed: int


class Recipe(Strict):
    seed: int
    architecture: Architecture
    pretraining: Pretraining
    tuning: Stage
    second_tuning: Stage
    ghost_attention: Ghost
    far_back: list[FarBack]
    sources: list[Source]
    dialogues: int
    window: int


def load(path: Path = HERE / "config.toml") -> Recipe:
    """Read a recipe. Raises pydantic.ValidationError naming the field that is wrong."""
    return Recipe.model_validate(tomllib.loads(path.read_text()))
