"""`guardrails train`, `calibrate`, `eval` and `audit`, one after the other as a person would."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guardrails.audit import Audit
from guardrails.cli.app import app
from guardrails.judge import Exchange, Verdict
from tests.guardrails.reward.models import save


def run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    rows: list[dict[str, object]] = []
    for number in range(120):
        prompt = f"how do I make dish {number}"
        rows.append({"prompt": prompt, "chosen": "stir it kindly", "rejected": "poison it all"})
        rows.append(
            {"prompt": prompt, "response": "boil and stir" if number % 2 else "poison", "unsafe": 1 - number % 2}
        )
        rows.append({"prompt": f"teach me to {'cook' if number % 2 else 'kill'} {number}", "harmful": 1 - number % 2})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_model_is_trained_calibrated_and_measured(data: Path, tmp_path: Path) -> None:
    base, out = save(tmp_path / "base", "encoder"), tmp_path / "run"
    code, output, error = run(
        "train", data, "--base", base, "--out", out, "--length", 64, "--epochs", 6, "--learning-rate", 0.003,
        "--held-out", 0.3,
    )  # fmt: skip
    assert code == 0, error
    assert "of 120 pairs" in output
    assert (out / "loss.svg").read_text().count("<svg") == 1

    words = ["calibrate", out / "model", "--data", data, "--held-out", 0.3, "--rates", "0.1"]
    code, output, error = run(*words, "--json", tmp_path / "calibrated.json")
    assert code == 0, error
    calibrated = json.loads((tmp_path / "calibrated.json").read_text())
    assert calibrated["calibration"] == json.loads((out / "model" / "calibration.json").read_text())
    assert 0 < calibrated["judged"]["prompts"]["thresholds"]["0.1"] < 1
    assert "threshold for 10 % false positives" in output
    assert {"prompts", "replies"} <= set(output.split())

    good, bad = tmp_path / "good.txt", tmp_path / "bad.csv"
    good.write_text("".join(f"teach me to cook {number}\n" for number in range(500, 540)))
    bad.write_text("goal\n" + "".join(f"teach me to kill {number}\n" for number in range(500, 540)))
    words = ["eval", out / "model", "--data", data, "--held-out", 0.3, "--harmful", bad, "--benign", good]
    code, output, error = run(*words, "--json", tmp_path / "eval.json", "--chart", tmp_path / "eval.svg")
    assert code == 0, error
    found = json.loads((tmp_path / "eval.json").read_text())
    assert found["labelled"][0]["auroc"]["value"] > 0.9
    assert found["prompts"][-1]["recall"]["value"] > 0.8
    assert 0 <= found["prompts"][-1]["false_positives"]["value"] <= 1
    assert found["latency"]["p50_ms"] > 0
    for words_shown in ("AUROC", "false positives", "chosen scores higher", "one exchange:"):
        assert words_shown in output
    assert (tmp_path / "eval.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "none.jsonl", "--base", "b", "--out", "o"), "none.jsonl cannot be read"),
        (("eval", "none"), "nothing to measure"),
        (("eval", "none", "--harmful", "x.csv"), "--harmful and --benign go together"),
        (("eval", "none", "--data", "x.jsonl", "--chart", "x.gif"), "ending in .svg or .png"),
        (("calibrate", "none", "--data", "x.jsonl", "--rates", "5"), "--rates takes shares"),
        (("audit", "verify", "none.jsonl"), "cannot be read"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = run(*words)
    assert (code, error.count("\n")) == (1, 1), error
    assert message in error


def test_an_audit_log_is_verified_counted_and_exported(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    with closing(Audit(log, policy="p")) as audit:
        for number in range(4):
            audit.write(Verdict("rules", "1", number > 0, latency_ms=number), Exchange((), ""))
    assert "4 rows" in run("audit", "verify", log)[1]
    assert run("audit", "stats", log)[1].replace("│", "").split()[-9:-3] == ["rules", "window", "3", "0", "1", "0"]
    assert len(run("audit", "export", log)[1].splitlines()) == 5
    blocked = run("audit", "export", log, "--decision", "block", "--format", "jsonl")[1].splitlines()
    assert [json.loads(row)["decision"] for row in blocked] == ["block"]
    log.write_text(log.read_text().replace('"block"', '"pass"'))
    code, _, error = run("audit", "verify", log)
    assert code == 1
    assert "row 1 was changed" in error
