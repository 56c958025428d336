"""Dialogues learned beside the rows: all their answers, none held out, and a file that is none is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gatt.errors import GattError
from gatt.training import rehearsal
from gatt.training.masks import IGNORED
from gatt.training.settings import TrainSettings
from gatt.training.train import train
from guardrails.rendering import ChatTemplate
from tests.gatt.training.test_train import settings as settings  # the fixture


@pytest.fixture
def template(tiny_model: Path) -> ChatTemplate:
    return ChatTemplate.from_folder(tiny_model)


def dialogue(*texts: str, system: str = "") -> str:
    turns = [{"role": "system", "content": system}] if system else []
    turns += [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    return json.dumps({"messages": turns}) + "\n"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines), "utf-8")
    return path


def test_all_answers_are_learned_and_a_question_without_one_is_left_out(template: ChatTemplate, tmp_path: Path) -> None:
    file = write(tmp_path / "d.jsonl", dialogue("Hi", "Hello.", "Tea?", "Aye.", "And?", system="Be kind."), "\n")
    [encoded], dropped = rehearsal.read(file, template, 200)
    learned = [label for label in encoded.labels if label != IGNORED]
    assert dropped == {}
    assert template.decode(learned).replace("<|end|>", "|") == "Hello.|Aye.|"
    assert template.decode(encoded.ids).count("And?") == 0


def test_what_cannot_be_learned_is_counted(template: ChatTemplate, tmp_path: Path) -> None:
    file = write(tmp_path / "d.jsonl", dialogue("Hi", "Hello."), dialogue("Hi"), dialogue("Hi", "word " * 500))
    found, dropped = rehearsal.read(file, template, 100)
    assert len(found) == 1
    assert sum(dropped.values()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n", "d.jsonl:1 is no dialogue"),
        ('{"messages": [{"role": "cook", "content": "x"}]}\n', "d.jsonl:1 is no dialogue"),
        ('{"messages": [{"role": "user", "content": 1}]}\n', "d.jsonl:1 is no dialogue"),
        ("not json\n", "d.jsonl:1 is no dialogue"),
        ("", "it is empty"),
    ],
)
def test_a_file_that_is_none_is_told(template: ChatTemplate, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GattError, match=message):
        rehearsal.read(write(tmp_path / "d.jsonl", text), template, 100)
    with pytest.raises(GattError, match="cannot be read"):
        rehearsal.read(tmp_path / "none.jsonl", template, 100)


def test_a_run_learns_them_beside_its_rows_and_says_so(settings: TrainSettings, tmp_path: Path) -> None:
    file = write(tmp_path / "d.jsonl", *(dialogue(f"Question {n}?", f"Answer {n}.") for n in range(6)))
    plain = train(replace(settings, epochs=1), prepared=lambda *_: None, report=lambda _: None)
    told = replace(settings, epochs=1, rehearse=file, out=tmp_path / "more")
    result = train(told, prepared=lambda *_: None, report=lambda _: None)
    report = result.selection.report()
    assert report["rehearsed_dialogues"] == 6
    assert report["training_rows"] == plain.selection.report()["training_rows"]
    assert len(result.selection.validation) == len(plain.selection.validation)
    assert result.progress.learned_tokens > plain.progress.learned_tokens
    assert "rehearsed beside them, all answers | 6 |" in (told.out / "README.md").read_text()
    with pytest.raises(GattError, match="begun with rehearsed"):
        train(replace(told, rehearse=None, resume=True), prepared=lambda *_: None, report=lambda _: None)
