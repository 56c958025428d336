"""A reward model that scores an answer in its dialogue: any sequence classifier of transformers with one label."""

from __future__ import annotations

from pathlib import Path

from gatt.dataset.sampling import Reward
from gatt.errors import GattError
from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.model import RewardError, RewardModel


def load_reward(folder: Path) -> Reward:
    """The score that the model in `folder` gives to a dialogue with an answer: its one logit.

    Raises:
        GattError: no such model, or not one label.
    """
    try:
        model = RewardModel.load(folder)
    except RewardError as error:
        raise GattError(f"--reward: {error}") from error

    def score(dialogue: list[Message], answer: str) -> float:
        return model.logits([Exchange(tuple(dialogue), answer)])[0]

    return score
