from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gatt.cli.app import app
from gatt.evaluation.report import percent
from guardrails.statistics import Share

SMALL = ["--turns", "2,3", "--n", "2", "--max-tokens", "4", "--tries", "1", "--families", "figure,hobby,closing"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.jsonl"
    rows = []
    for number in range(6):
        said = [{"role": "user", "content": f"Hi {number}."}, {"role": "assistant", "content": f"Hello {number}."}]
        rows.append(json.dumps({"messages": said}))
    path.write_text("\n".join(rows))
    return path


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_tuned_model_is_not_measured_as_its_own_baseline(tiny_model: Path, source: Path) -> None:
    arguments = [*SMALL, "--model", tiny_model, "--source", source]
    code, output = invoke(*arguments, "--arms", "baseline,gatt")
    assert (code, output.count("\n")) == (1, 2), output
    assert "name it with --baseline" in output
    code, output = invoke(*arguments, "--history", "violating", "--turns", "2", "--n", "1")
    assert code == 0, output
    assert "baseline" not in output


def test_a_message_too_long_for_the_window_is_left_out(tiny_model: Path, source: Path) -> None:
    long = [{"role": "user", "content": "word " * 5000}, {"role": "assistant", "content": "Yes."}]
    source.write_text(source.read_text() + "\n" + json.dumps({"messages": long}))
    code, output = invoke(*SMALL, "--model", tiny_model, "--source", source)
    assert code == 0, output


def test_a_whole_evaluation_with_tables_json_and_charts_that_resumes(
    tiny_model: Path, source: Path, tmp_path: Path
) -> None:
    out, chart = tmp_path / "eval.json", tmp_path / "eval.svg"
    arguments = [*SMALL, "--model", tiny_model, "--baseline", tiny_model, "--source", source, "--hold-out", "emoji"]
    arguments += ["--json", out, "--chart", chart, "--arms", f"baseline,reminder,gatt,other={tiny_model}"]
    code, output = invoke(*arguments)
    assert code == 0, output
    for words in ("name and hobby, violating history", "held out, own history", "prompt tokens", "perplexity", "n = 2"):
        assert words in output
    first = json.loads(out.read_text())
    assert first["arms"] == ["baseline", "reminder", "gatt", "other"]
    assert first["settings"]["turns"] == [1, 2, 3]
    assert len(first["settings"]["arms"]["gatt"]["sha256"]) == 64
    recall = {(c["history"], c["family"], c["arm"], c["turn"]): c for c in first["recall"]}
    assert recall["violating", "figure", "gatt", 3]["n"] == 2
    assert recall["violating", "emoji", "gatt", 1]["group"] == "held out"
    # One model in all arms: what it replies without a reminder is the same.
    for key, cell in recall.items():
        if key[2] in ("gatt", "other"):
            assert cell["passed"] == recall[key[0], key[1], "baseline", key[3]]["passed"]
    reminders = {cost["arm"]: cost["reminder"] for cost in first["cost"] if cost["history"] == "violating"}
    assert reminders["gatt"] == reminders["baseline"] == 0 < reminders["reminder"]
    items = tmp_path / "eval.items.jsonl"
    outcomes = [json.loads(line) for line in items.read_text().splitlines()]
    assert sum("passed" in outcome for outcome in outcomes) == sum(
        c["n"] for c in first["recall"] if c["family"] != "all"
    )
    assert chart.read_text().count("<svg") == 1
    assert chart.with_suffix(".png").stat().st_size > 10_000

    lines = items.read_bytes()
    code, output = invoke(*arguments, "--resume")
    assert code == 0, output
    assert items.read_bytes() == lines
    again = json.loads(out.read_text())
    del first["seconds"], again["seconds"]
    assert again == first
    code, output = invoke(*arguments)
    assert (code, "add --resume" in output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--turns", "2,x"], "--turns takes numbers from 1, such as 2,4,6,20, not '2,x'"),
        (["--turns", "0"], "--turns takes numbers from 1"),
        (["--history", "mine"], "--history takes compliant, violating, own, not 'mine'"),
        (["--values", "mine"], "--values takes train, test, all, not 'mine'"),
        (["--history", ""], "--history takes compliant, violating, own, not ''"),
        (["--arms", "best"], "there is no arm 'best': use baseline, reminder, gatt, or NAME=FOLDER"),
        (["--arms", "gatt,gatt"], "two arms are called 'gatt'"),
        (["--arms", ","], "no arm is left"),
        (["--families", "nosuch"], "there is no family 'nosuch'"),
        (["--hold-out", "nosuch"], "there is no family 'nosuch'"),
        (["--resume"], "--resume needs the --json"),
        (["--chart", "x.gif"], "a chart is .svg or .png"),
        (["--turns", "60"], "has 6 user turns that can be used, but turn 60 needs as many"),
        (["--source", "nowhere.jsonl"], "nowhere.jsonl: No such file"),
        (["--sys-ifeval", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--model", "nowhere"], "there is no model 'nowhere'"),
    ],
)
def test_errors_are_one_line_with_the_fix(tiny_model: Path, source: Path, arguments: list[str], message: str) -> None:
    code, output = invoke("--model", tiny_model, "--turns", "2", "--source", source, *arguments)
    assert code == 1
    assert message in output
    assert len(output.strip().splitlines()) == 1


def test_user_turns_alone_have_no_violating_history(tiny_model: Path, tmp_path: Path) -> None:
    source = tmp_path / "turns.jsonl"
    source.write_text('{"turns": ["One?", "Two?", "Three?"]}\n')
    code, output = invoke("--model", tiny_model, "--turns", "2", "--source", source, "--n", "30")
    assert code == 1
    assert "leave it out of --history" in output


def test_a_small_n_is_warned_of(tiny_model: Path, source: Path) -> None:
    arguments: list[Any] = ["--model", tiny_model, "--source", source, "--arms", "gatt", "--history", "violating"]
    code, output = invoke(*arguments, *SMALL, "--n", "1")
    assert code == 0, output
    assert "n = 1 the intervals are wide" in output


def test_199_of_200_is_not_shown_as_100() -> None:
    assert percent(Share(200, 200)).startswith("100 ")
    assert percent(Share(4999, 5000)).startswith("99.9 ")
    assert percent(Share(199, 200)).startswith("99.5 ")
