"""A reward model that scores an answer in its dialogue: any sequence classifier of transformers with one label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatt.dataset.sampling import Reward
from gatt.errors import GattError
from guardrails.messages import Message
from guardrails.rendering import ChatTemplate, RenderingError


def load_reward(folder: Path) -> Reward:
    """The score that the model in `folder` gives to a dialogue with an answer: its one logit.

    Raises:
        GattError: no such model, or not one label.
    """
    try:
        template = ChatTemplate.from_folder(folder)
    except RenderingError as error:
        raise GattError(f"--reward: {error}") from error
    import torch
    from transformers import AutoModelForSequenceClassification

    try:
        loaded: Any = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a truncated download fails in many ways, all of them the folder's fault
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise GattError(f"--reward: cannot load a sequence classifier from {folder}: {first_line}") from error
    if loaded.config.num_labels != 1:
        raise GattError(f"--reward {folder} has {loaded.config.num_labels} labels: a reward model has one")
    loaded.eval()
    window = int(getattr(loaded.config, "max_position_embeddings", 0) or 4096)

    def score(dialogue: list[Message], answer: str) -> float:
        messages = [*dialogue, Message("assistant", answer)]
        # The newest tokens hold the answer.
        ids = template.render(messages, add_generation_prompt=False).ids[-window:]
        with torch.inference_mode():
            return float(loaded(input_ids=torch.tensor([ids])).logits[0, 0])

    return score
