"""What a model does at the thresholds that calibration set: shares called unsafe, of every set by itself.

`guardrails eval` says what a model can tell apart; this says what a person will meet. The thresholds come from the
calibration part, and every set here is another.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import Labelled, read
from guardrails.reward.evaluate import score
from guardrails.reward.metrics import share
from guardrails.reward.model import RewardModel
from recipes.bundled_safety import evaluations
from recipes.bundled_safety.config import Evaluation

# (group, name): "safe" sets, where every call is a false positive, "harmful" ones, and the test part by source.
Sets = Mapping[tuple[str, str], list[Labelled]]
SOUNDS_HARMFUL = "prompts that only sound harmful"


def sets(tests: Iterable[Evaluation], evals: Path, data: Path) -> Sets:
    """All sets, by their group and name."""
    found: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for one in read(data / "safe.jsonl")[1]:
        found["safe", one.source].append(one)
    for text in evaluations.sounds_harmful():
        found["safe", SOUNDS_HARMFUL].append(Labelled(SOUNDS_HARMFUL, Exchange((Message("user", text),), ""), True))
    for test in tests:
        if test.role != "other":
            for text in evaluations.texts(evals, test, test.columns[:1]):
                exchange = Exchange((Message("user", text),), "")
                found[test.role, Path(test.file).stem].append(Labelled(test.file, exchange, test.role == "benign"))
    for name in ("test-prompts", "test-replies"):
        for one in read(data / f"{name}.jsonl")[1]:
            found[f"test, {'safe' if one.safe else 'unsafe'}", f"{one.source}, {name[5:]}"].append(one)
    return found


def measure(model: Path, calibrated: Mapping[str, Any], named: Sets) -> list[dict[str, Any]]:
    """Of every set the share below each threshold, with its interval."""
    reward = RewardModel.load(model)
    found = []
    for (group, name), examples in named.items():
        kind = "replies" if examples[0].exchange.reply else "prompts"
        scores = score(reward, [one.exchange for one in examples])
        called = {
            rate: asdict(share(sum(value < at for value in scores), len(scores)))
            for rate, at in calibrated["judged"][kind]["thresholds"].items()
        }
        found.append({"group": group, "set": name, "judged": kind, "n": len(scores), "called unsafe": called})
    return found


def run(folder: Path, tests: Iterable[Evaluation], evals: Path, data: Path) -> None:
    """Write `folder`/operating.json for the model in `folder`/rounded."""
    calibrated = json.loads((folder / "calibrated.json").read_text("utf-8"))
    found = measure(folder / "rounded", calibrated, sets(tests, evals, data))
    (folder / "operating.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
