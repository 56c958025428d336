"""Copies with other values: the instruction and the answer say the new one, and nothing else has changed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gatt import families
from gatt.cli.app import app
from gatt.dataset.manifest import NAME, Manifest
from gatt.dataset.revalue import copied, revalue
from gatt.dataset.shards import finish
from gatt.families import Instruction, go_together
from gatt.rows import Reading, Row, Turn
from gatt.training.load_rows import load_rows

ALL = families.load()
COPIED = [name for name, family in ALL.items() if copied(family)]


def obeying(instruction: Instruction, ask: str | None) -> str:
    """An answer that names every value it must."""
    text = "The sea is wide."
    for one in instruction.constraints:
        if one.family == "opening":
            text = f"{one.value} {text}"
        elif one.family == "closing":
            text = f"{text} {one.value}"
        elif not one.probes or ask in one.asks:
            text = text.replace("The sea", f"With {one.value}, the sea")
    return text


def row_of(number: int, names: list[str], *, history: Reading = "original", turn: int = 2) -> Row:
    rng = Random(number)
    instruction = families.only(ALL, names, rng, split="train")
    asked = [one for one in instruction.constraints if one.probes]
    ask = asked[0].asks[0] if asked else None
    due = [one for one in instruction.constraints if not one.probes or one in asked[:1]]
    turns = [Turn(role="system", content=instruction.text(terse=number % 2 == 0))]
    for _ in range(turn - 1):
        said = obeying(instruction, None) if history == "constrained" else "I like tennis, and the sea."
        turns += [Turn(role="user", content="Do you like tennis?"), Turn(role="assistant", content=said)]
    turns += [Turn(role="user", content=ask or "Go on."), Turn(role="assistant", content=obeying(instruction, ask))]
    return Row(
        id=f"{number}-{turn}", dialogue_id=str(number), messages=tuple(turns), families=tuple(names),
        checks=tuple(one.check for one in due), terse=number % 2 == 0, history=history, source="x", turns=turn,
        probed=asked[0].family if asked else None,
    )  # fmt: skip


def test_what_is_copied_are_names_and_phrases() -> None:
    assert {"figure", "hobby", "persona", "opening", "closing", "vocabulary", "address"} <= set(COPIED)
    assert not {"length", "case", "json", "language", "rhyme", "format"} & set(COPIED)


@given(number=st.integers(0, 10_000), names=st.lists(st.sampled_from(COPIED), min_size=1, max_size=3, unique=True))
def test_a_copy_obeys_names_another_value_and_leaves_people_s_words(number: int, names: list[str]) -> None:
    if not all(go_together(ALL, one, other) for one in names for other in names if one != other):
        return
    row = row_of(number, names)
    made = revalue([row], ALL, copies=3, seed=number)
    for copy in made.rows:
        assert all(check.passes(copy.messages[-1].content, copy.messages[-2].content) for check in copy.checks)
        assert copy.messages[0] != row.messages[0]
        assert copy.messages[-1] != row.messages[-1]
        assert copy.messages[1:-1] == row.messages[1:-1]
        assert (copy.families, copy.probed, copy.turns) == (row.families, row.probed, row.turns)
    assert len(made.rows) + made.dropped.total() == 3


def test_rows_of_a_dialogue_get_the_same_values() -> None:
    rows = [row_of(4, ["hobby", "closing"], turn=turn) for turn in (1, 2, 5)]
    made = revalue(rows, ALL, copies=2, seed=1)
    assert len(made.rows) == 6
    for copy in ("v1", "v2"):
        group = [row for row in made.rows if row.dialogue_id == f"4-{copy}"]
        assert len({row.messages[0] for row in group}) == 1
        assert len(group) == 3
    assert len({row.id for row in (*rows, *made.rows)}) == 9


def test_the_same_seed_gives_the_same_copies() -> None:
    rows = [row_of(number, ["figure"]) for number in range(20)]
    assert revalue(rows, ALL, copies=2, seed=1).rows == revalue(rows, ALL, copies=2, seed=1).rows
    assert revalue(rows, ALL, copies=2, seed=1).rows != revalue(rows, ALL, copies=2, seed=2).rows


def test_no_value_kept_for_evaluation_is_put_in() -> None:
    kept = {entry.value for entry in ALL["hobby"].split("test")}
    made = revalue([row_of(number, ["hobby"]) for number in range(60)], ALL, copies=2, seed=3)
    assert len(made.rows) > 80
    assert not any(value in row.messages[0].content.split(" ") for row in made.rows for value in kept)


def test_answers_before_the_last_change_only_where_they_were_sampled() -> None:
    row = row_of(3, ["vocabulary"], history="constrained", turn=3)
    [copy] = revalue([row], ALL, copies=1, seed=1).rows
    assert copy.messages[2].content == copy.messages[4].content != row.messages[2].content
    row = row_of(3, ["vocabulary"], turn=3)
    [copy] = revalue([row], ALL, copies=1, seed=1).rows
    assert copy.messages[2] == row.messages[2]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("I AM PETER THE GREAT.", "I AM {}."),
        ("i am peter the great.", "i am {}."),
        ("A great day! I am Peter the Great.", "A great day! I am {}."),
    ],
)
def test_letter_case_is_kept_and_a_common_word_is_no_name(answer: str, expected: str) -> None:
    figure = ALL["figure"]
    entry = next(one for one in figure.choices() if one.value == "Peter the Great")
    row = row_of(1, ["figure"]).model_copy(update={"checks": (figure.check_of(entry),)})
    turns = [Turn(role="system", content="Act as Peter the Great."), Turn(role="user", content="Who are you?")]
    row = row.model_copy(update={"messages": (*turns, Turn(role="assistant", content=answer)), "turns": 1})
    [copy] = revalue([row], ALL, copies=1, seed=2).rows
    new = copy.messages[0].content.removeprefix("Act as ").removesuffix(".")
    shaped = new.upper() if answer.isupper() else new.lower() if answer.islower() else new
    assert copy.messages[-1].content == expected.format(shaped)


def test_a_row_without_an_instruction_or_with_two_has_no_copy() -> None:
    row = row_of(1, ["hobby"])
    plain = row.model_copy(update={"families": (), "messages": row.messages[1:], "checks": (), "probed": None})
    changed = row.model_copy(update={"changed_at": 2})
    made = revalue([plain, changed], ALL, copies=1, seed=0)
    assert (made.rows, made.dropped.total()) == ([], 2)


def test_the_command_writes_a_dataset_that_says_what_it_is(tmp_path: Path) -> None:
    rows = [row_of(number, ["hobby"]) for number in range(10)]
    told = {"model": "m", "engine": "e", "source": "s"}
    (tmp_path / "data").mkdir()
    finish(tmp_path / "data", Manifest.of(told, []), rows)
    command = ["revalue", str(tmp_path / "data"), "--copies", "2", "--out", str(tmp_path / "more")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    found = load_rows(tmp_path / "more")
    assert found[:10] == rows
    manifest = json.loads((tmp_path / "more" / NAME).read_text())
    assert manifest["kept"] == len(found) - 10 > 10
    assert f"{len(found) - 10} rows are copies" in manifest["notes"][-1]
    again = CliRunner().invoke(app, command)
    assert "is not empty" in again.stderr
    none = CliRunner().invoke(app, ["revalue", str(tmp_path / "none"), "--out", str(tmp_path / "x")])
    assert "has no manifest.json" in none.stderr
