from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from guardrails.checks.check import Check
from guardrails.checks.ifeval import INSTRUCTIONS, checks_of, instructions_of

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "rows.jsonl").read_text(encoding="utf-8").splitlines()
]
SYS_IFEVAL = os.environ.get("STEADFAST_SYS_IFEVAL")


def test_the_rows_have_every_instruction() -> None:
    assert {identifier for row in ROWS for identifier in row["instruction_id_list"]} == set(INSTRUCTIONS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "+".join(row["instruction_id_list"]))
def test_a_good_reply_passes_and_a_near_miss_does_not(row: dict[str, Any]) -> None:
    checks = checks_of(row)
    assert [check.kind for check in checks if not check.passes(row["good"])] == []
    assert [check.kind for check in checks if not check.passes(row["bad"])] != []


def test_checks_are_grouped_by_instruction() -> None:
    row = {"instruction_id_list": ["change_case:english_capital", "punctuation:no_comma"], "kwargs": [{}, {}]}
    assert [[check.kind for check in each] for each in instructions_of(row)] == [["upper", "language"], ["no_comma"]]


def test_an_unknown_instruction_is_named() -> None:
    with pytest.raises(ValueError, match="'poetry:sonnet' is not an instruction"):
        checks_of({"instruction_id_list": ["poetry:sonnet"], "kwargs": [{}]})


@pytest.mark.skipif(not SYS_IFEVAL, reason="STEADFAST_SYS_IFEVAL names no file with the 541 rows")
def test_every_published_row_maps_and_runs() -> None:
    lines = Path(SYS_IFEVAL or "").read_text(encoding="utf-8").splitlines()
    for line in lines:
        row = json.loads(line)
        for check in checks_of(row):
            assert Check.model_validate_json(check.model_dump_json()) == check
            for reply in ("", "Yes.", row["prompt"], "* one\n* two\n\nP.S. <<three>> [four]"):
                assert check.passes(reply, row["prompt"]) in (True, False)
    assert len(lines) == 541
