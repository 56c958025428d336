"""What a training run is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gatt.training.masks import Loss
from gatt.training.methods import Adapter, Method
from guardrails.hardware import multiplies_bf16

Schedule = Literal["cosine", "linear"]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """One run. Where 0 is the default of a number, it stands for a choice that depends on the rest.

    `batch_tokens` make an optimizer step and `micro_tokens` (0: `length`) a forward pass; a row may have `length`
    tokens (0: the model's window). `learning_rate` is the peak, `warmup` a share of the steps, `validation` a share of
    the rows. `shared` reads once what the rows of a dialogue have in common. Every `validate_every` steps (0: ten times
    a run) the held-out rows are read; after `patience` times without a lower loss the run ends (0: never).
    Dialogues in the file `rehearse` are learned beside the rows.
    """

    data: Path
    model: Path
    out: Path
    method: Method = Method.LORA
    loss: Loss = Loss.LAST_TURN
    adapter: Adapter = field(default_factory=Adapter)
    epochs: int = 2
    learning_rate: float = 0.0
    schedule: Schedule = "cosine"
    warmup: float = 0.03
    batch_tokens: int = 16384
    micro_tokens: int = 0
    packed: bool = False
    shared: bool = True
    length: int = 0
    seed: int = 0
    validation: float = 0.05
    validate_every: int = 0
    patience: int = 3
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    recompute: bool = False
    checkpoint_minutes: float = 5.0
    resume: bool = False
    rehearse: Path | None = None

    @property
    def peak(self) -> float:
        """The highest learning rate. By default the paper's 2e-5 for all weights, ten times that for an adapter."""
        return self.learning_rate or (2e-5 if self.method is Method.FULL else 2e-4)

    @property
    def bf16(self) -> bool:
        """Whether to compute in bfloat16: where asked, or by `auto` where the hardware multiplies in it."""
        if self.precision != "auto":
            return self.precision == "bf16"
        return multiplies_bf16()

    def described(self) -> dict[str, Any]:
        """What decides the outcome, as JSON has it: a resumed run must share it with the one it goes on with."""
        described: dict[str, Any] = {
            "method": self.method.value,
            "loss": self.loss.value,
            "epochs": self.epochs,
            "learning_rate": self.peak,
            "schedule": self.schedule,
            "warmup": self.warmup,
            "batch_tokens": self.batch_tokens,
            "micro_tokens": self.micro_tokens,
            "packed": self.packed,
            "shared": self.shared,
            "length": self.length,
            "seed": self.seed,
            "validation": self.validation,
            "validate_every": self.validate_every,
            "patience": self.patience,
            "precision": "bf16" if self.bf16 else "fp32",
        }
        if self.method is not Method.FULL:
            described |= {"rank": self.adapter.rank, "alpha": self.adapter.alpha, "dropout": self.adapter.dropout}
        return described
