"""A reward model: a sequence classifier with one label, whose logit says how good a reply is.

Any `AutoModelForSequenceClassification` with one label and a chat template works. As a safety judge its score is the
probability that the reply is safe: the sigmoid of the logit, once, after the calibration that its folder holds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails.errors import UserError, first_line
from guardrails.judge import Exchange
from guardrails.rendering import ChatTemplate, RenderingError
from guardrails.reward.segments import segments

if TYPE_CHECKING:
    from torch import Tensor

CALIBRATION = "calibration.json"
# Tokens of one forward, padding included.
BATCH_TOKENS = 8192


class RewardError(UserError):
    """The model cannot be loaded or does not fit; the text says why and the fix, in one line."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """`probability` = sigmoid(logit / temperature + bias)."""

    temperature: float = 1.0
    bias: float = 0.0

    def probability(self, logit: float) -> float:
        """Of the reply being safe; not a number where the logit is none."""
        value = logit / self.temperature + self.bias
        # The form that does not overflow for very negative values.
        return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


class RewardModel:
    """A loaded model. Its forward may be called from any thread, by one at a time."""

    def __init__(self, model: Any, template: ChatTemplate, length: int, calibration: Calibration, version: str) -> None:
        """Prefer `load`. `length` is the most tokens it reads at once."""
        self.model = model
        self.template = template
        self.length = length
        self.calibration = calibration
        self.version = version
        # Decoders read the score off the last token, encoders off the first: padding goes to the other side.
        self._left = hasattr(model, "score")
        if self._left:
            # transformers looks for the last token that is not this one; padding it would otherwise take for text,
            # or an end token for padding.
            model.config.get_text_config().pad_token_id = -1

    @classmethod
    def load(
        cls, folder: Path, *, device: str = "cpu", bf16: bool = False, load: Callable[[Path], Any] | None = None
    ) -> RewardModel:
        """The model in a local Hugging Face folder; `load` reads its weights, by default transformers does.

        With `bf16` it computes in bfloat16: in half the time where the hardware multiplies it, its logits a few
        hundredths off (docs/guardrails.md).

        Raises:
            RewardError: no such model, more than one label, or no chat template.
        """
        try:
            template = ChatTemplate.from_folder(folder)
        except RenderingError as error:
            raise RewardError(str(error)) from error
        try:
            model = (load or _load)(folder)
        except Exception as error:  # a truncated download fails in many ways, all of them the folder's fault
            raise RewardError(f"{folder} has no sequence classifier that can be loaded: {first_line(error)}") from error
        if model.config.num_labels != 1:
            raise RewardError(f"{folder} has {model.config.num_labels} labels: a reward model has one")
        length = reading_length(model.config)
        if bf16:
            model = model.bfloat16()
        return cls(model.to(device).eval(), template, length, read_calibration(folder), version_of(folder))

    def logits(self, exchanges: Sequence[Exchange]) -> list[float]:
        """The raw logit of each exchange; of a reply too long to read at once, that of its worst part.

        Raises:
            RenderingError: an exchange that the template does not render.
        """
        parts = [(index, ids) for index, one in enumerate(exchanges) for ids in self.parts(one)]
        found = [math.inf] * len(exchanges)
        for group in _batches(parts):
            for (index, _), logit in zip(group, self._forward([ids for _, ids in group]), strict=True):
                # A comparison would drop what is no number.
                found[index] = logit if math.isnan(logit) else min(found[index], logit)
        return found

    def scores(self, exchanges: Sequence[Exchange]) -> list[float]:
        """The probability that each reply is safe; with an empty reply, that the prompt is. Raises as `logits`."""
        return [self.calibration.probability(logit) for logit in self.logits(exchanges)]

    def parts(self, exchange: Exchange) -> list[list[int]]:
        """What the model reads of an exchange, as token ids."""
        return segments(exchange, self.template, self.length)

    def _forward(self, rows: list[list[int]]) -> list[float]:
        import torch

        with torch.inference_mode():
            return [float(logit) for logit in self.batch(rows).float().cpu()]

    def batch(self, rows: Sequence[Sequence[int]], model: Any = None) -> Tensor:
        """Logits (rows,) of token ids, with a gradient where one is wanted; by `model`, if that is a wrapped form."""
        import torch

        longest = max(map(len, rows))
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for number, row in enumerate(rows):
            where = slice(longest - len(row), longest) if self._left else slice(0, len(row))
            ids[number, where] = torch.tensor(row)
            mask[number, where] = 1
        device = self.model.device
        inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        # Only padding on the left moves a text's positions; what they are without any, models know best themselves.
        if self._left and not mask.all():
            inputs["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0).to(device)
        logits: Tensor = (model or self.model)(**inputs).logits
        return logits[:, 0]


def reading_length(config: Any) -> int:
    """The most tokens that it reads at once: what it was trained on; without that, what it could be trained on."""
    return int(getattr(config, "exchange_tokens", None) or getattr(config, "max_position_embeddings", None) or 4096)


def _load(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    return AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


def read_calibration(folder: Path) -> Calibration:
    """Of the model in a folder; none is the identity. Raises RewardError for a damaged one."""
    path = folder / CALIBRATION
    if not path.is_file():
        return Calibration()
    try:
        found = json.loads(path.read_text("utf-8"))
        calibration = Calibration(float(found["temperature"]), float(found["bias"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RewardError(f"{path} cannot be read: calibrate the model again") from error
    if not calibration.temperature > 0 or not math.isfinite(calibration.bias):
        raise RewardError(f"{path} holds no calibration: calibrate the model again")
    return calibration


def write_calibration(folder: Path, calibration: Calibration) -> None:
    (folder / CALIBRATION).write_text(json.dumps(asdict(calibration), indent=1) + "\n", "utf-8")


def version_of(folder: Path) -> str:
    """Twelve hex digits of the SHA-256 of the weights and their calibration."""
    digest = hashlib.sha256()
    for file in (*sorted(folder.glob("*.safetensors")), folder / CALIBRATION):
        if file.is_file():
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def _batches(parts: list[tuple[int, list[int]]]) -> list[list[tuple[int, list[int]]]]:
    """Parts of like length together, so that little is padding."""
    groups: list[list[tuple[int, list[int]]]] = []
    for part in sorted(parts, key=lambda part: -len(part[1])):
        if not groups or (len(groups[-1]) + 1) * len(groups[-1][0][1]) > BATCH_TOKENS:
            groups.append([])
        groups[-1].append(part)
    return groups
