from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gatt.errors import GattError
from gatt.evaluation.journal import Journal, Record


async def one() -> Record:
    return {"passed": True}


async def never() -> Record:
    raise AssertionError("made again")


async def test_a_finished_item_is_never_made_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "items.jsonl"
    journal = Journal(path, {"seed": 1})
    await journal.once("a", one)
    assert await journal.once("a", never) == {"passed": True}
    journal.close()
    resumed = Journal(path, {"seed": 1}, resume=True)
    assert await resumed.once("a", never) == {"passed": True}
    resumed.close()


async def test_a_line_cut_short_by_a_kill_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    journal = Journal(path, {"seed": 1})
    await journal.once("a", one)
    await journal.once("b", one)
    journal.close()
    path.write_bytes(path.read_bytes()[:-9])
    resumed = Journal(path, {"seed": 1}, resume=True)
    assert list(resumed.records) == ["a"]
    await resumed.once("b", one)
    resumed.close()
    again = Journal(path, {"seed": 1}, resume=True)
    assert list(again.records) == ["a", "b"]
    again.close()


async def test_a_reply_may_have_any_character(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"

    async def odd() -> Record:
        return {"reply": "line\u2028separator, next\u0085line"}

    journal = Journal(path, {})
    made = await journal.once("a", odd)
    journal.close()
    resumed = Journal(path, {}, resume=True)
    assert resumed.records == {"a": made}
    resumed.close()


def test_results_are_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    Journal(path, {}).close()
    with pytest.raises(GattError, match="add --resume"):
        Journal(path, {})


def test_a_run_with_other_settings_is_not_resumed(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    Journal(path, {"seed": 1}).close()
    with pytest.raises(GattError, match="seed 1, now 2"):
        Journal(path, {"seed": 2}, resume=True)


@pytest.mark.parametrize("text", ["not json\n", "[]\n", '{"settings": {}}\n{"passed": true}\n', "half"])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(text)
    with pytest.raises(GattError, match="remove the file"):
        Journal(path, {}, resume=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with pytest.raises(GattError, match="No space left on device; make room"):
        Journal(Path("/dev/full"), {})
