from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatt.errors import GattError
from gatt.evaluation.arms import Arm
from gatt.evaluation.journal import Journal
from gatt.evaluation.meter import Meter
from gatt.evaluation.sys_ifeval import measure, read
from guardrails.statistics import Share
from tests.gatt.evaluation.obeying import ObeyingEngine


def row(system: str, instructions: list[str], kwargs: list[dict[str, Any]]) -> str:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "Write about tea."}]
    return json.dumps({"key": 1, "messages": messages, "instruction_id_list": instructions, "kwargs": kwargs})


def fixture(folder: Path) -> Path:
    path = folder / "sys.jsonl"
    rows = [
        row("Use no comma.", ["punctuation:no_comma"], [{}]),
        row(
            "Use no comma. Say tea twice.",
            ["punctuation:no_comma", "keywords:frequency"],
            [{}, {"keyword": "tea", "frequency": 2, "relation": "at least"}],
        ),
        row("Be in quotes.", ["startend:quotation"], [{}]),
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


async def test_prompts_and_instructions_are_counted_strictly(tmp_path: Path) -> None:
    engine = ObeyingEngine(lambda prompt: "" if "quotes" in prompt else "I like tea.")
    journal = Journal(None, {})
    score = await measure(Arm("gatt", engine), read(fixture(tmp_path)), journal, Meter(), concurrency=2)
    assert (score.prompts, score.instructions) == (Share(1, 3), Share(2, 4))
    assert all(text.index("<|system|>") < text.index("<|user|>Write about tea.") for text in engine.texts())
    asked = len(engine.prompts)
    await measure(Arm("gatt", engine), read(fixture(tmp_path)), journal, Meter(), concurrency=2)
    assert len(engine.prompts) == asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("{}\n", "line 1 is no sys_ifeval row"),
        (row("x", ["no:such"], [{}]), "'no:such' is not an instruction"),
        (row("x", ["keywords:frequency"], [{}]), "line 1 is no sys_ifeval row"),
    ],
)
def test_a_file_that_is_not_the_set_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sys.jsonl"
    path.write_text(text)
    with pytest.raises(GattError, match=message):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GattError, match=r"nowhere\.jsonl cannot be read: No such file"):
        read(tmp_path / "nowhere.jsonl")
