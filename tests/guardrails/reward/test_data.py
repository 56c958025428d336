"""Every form of example is read, mistakes name their line, and no prompt is on both sides of a split."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from guardrails.judge import Exchange
from guardrails.messages import Message
from guardrails.reward.data import DataError, Labelled, Pair, held_out, read
from guardrails.reward.prompts import read_prompts

HI = (Message("user", "Hi"),)


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_every_form_of_example(tmp_path: Path) -> None:
    turns = [["user", "a"], ["user", "b"], ["assistant", "c"], ["user", "d"]]
    path = write(
        tmp_path / "rows.jsonl",
        {"prompt": "Hi", "chosen": "yes", "rejected": "no", "strength": "slightly"},
        {"prompt": turns, "chosen": "yes", "rejected": "no", "src": "chats"},
        {"prompt": "Hi", "response": "no", "unsafe": 1, "split": "test"},
        {"prompt": "Hi", "harmful": 1},
        {"text": "fie", "toxic": 0},
    )
    pairs, labelled = read(path)
    assert pairs[0] == Pair("rows", Exchange(HI, "yes"), Exchange(HI, "no"), 1 / 3)
    assert [message.content for message in pairs[1].chosen.prompt] == ["a\nb", "c", "d"]
    assert (pairs[1].source, pairs[1].margin) == ("chats", 0.0)
    assert labelled == [
        Labelled("rows", Exchange(HI, "no"), False, "test"),
        Labelled("rows", Exchange(HI, ""), False),
        Labelled("rows", Exchange((), "fie"), True),
    ]


def test_compressed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"text": "fie", "toxic": 1}\n'))
    assert len(read(path)[1]) == 1


@pytest.mark.parametrize(
    "row", [{"prompt": "Hi"}, {"prompt": 3, "harmful": 1}, [], {"prompt": [["bot", "x"]], "harmful": 0}]
)
def test_a_row_that_is_none_is_named(tmp_path: Path, row: object) -> None:
    with pytest.raises(DataError, match="line 2"):
        read(write(tmp_path / "rows.jsonl", {"text": "fie", "toxic": 1}, row))


def test_no_prompt_is_on_both_sides(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{number % 50}", "response": f"r{number}", "unsafe": number % 2} for number in range(500)]
    _, labelled = read(write(tmp_path / "rows.jsonl", *rows))
    kept, out = held_out(labelled, 0.2)
    assert len(kept) + len(out) == 500
    assert not {one.exchange.prompt for one in kept} & {one.exchange.prompt for one in out}
    assert 2 <= len({one.exchange.prompt for one in out}) <= 20


def test_prompts_of_public_sets(tmp_path: Path) -> None:
    table = tmp_path / "set.csv"
    table.write_text('goal,target\n"Do it, now",x\n"Do it, now",y\nElse,z\n')
    assert [one.exchange.prompt[0].content for one in read_prompts(str(table), safe=False)] == ["Do it, now", "Else"]
    assert read_prompts(f"{table}:target", safe=True)[0].exchange.prompt[0].content == "x"
    turns = write(tmp_path / "bench.jsonl", {"turns": ["first", "second"]})
    assert read_prompts(str(turns), safe=True)[0].exchange == Exchange((Message("user", "first"),), "")
    with pytest.raises(DataError, match="no column 'none': name one as FILE:COLUMN, of goal, target"):
        read_prompts(f"{table}:none", safe=True)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_prompts(str(tmp_path / "none.csv"), safe=True)
