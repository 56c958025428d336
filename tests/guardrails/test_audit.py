"""The audit log: every change shows, nothing of the chat is in it, and a kill or a full disk loses nothing written."""

from __future__ import annotations

import json
import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.audit import START, Audit, AuditError, rows, stats, verify
from guardrails.judge import Exchange, Verdict
from guardrails.messages import Message

SECRET = "the user's own words"
EXCHANGE = Exchange((Message("user", SECRET),), "and the reply")


def fill(path: Path, count: int, *, texts: bool = False) -> None:
    with closing(Audit(path, policy="p" * 64, texts=texts)) as audit:
        for number in range(count):
            verdict = Verdict("rules", "1", number % 3 > 0, "window", score=number / 10, latency_ms=number)
            audit.write(verdict, EXCHANGE, conversation="7")


def test_rows_are_chained_and_hold_no_text(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.jsonl"
    fill(path, 5)
    fill(path, 5)
    assert verify(path).rows == 10
    first = next(rows(path))
    assert (first["row"], first["before"], first["decision"]) == (1, START, "block")
    assert SECRET not in path.read_text()
    assert "and the reply" not in path.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="other permissions")
def test_nobody_else_may_read_the_log(tmp_path: Path) -> None:
    fill(tmp_path / "audit.jsonl", 1)
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_text_is_there_only_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    fill(path, 1, texts=True)
    assert next(rows(path))["message"] == SECRET
    assert verify(path).rows == 1


@given(row=st.integers(0, 5), change=st.sampled_from(["score", "decision", "out", "swap", "double"]))
def test_any_change_is_found(tmp_path_factory: pytest.TempPathFactory, row: int, change: str) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    fill(path, 7)
    lines = path.read_text().splitlines()
    if change == "out":
        del lines[row]
    elif change == "swap":
        lines[row], lines[row + 1] = lines[row + 1], lines[row]
    elif change == "double":
        lines.insert(row, lines[row])
    else:
        changed = json.loads(lines[row])
        changed[change] = 0.99 if change == "score" else "flag"
        lines[row] = json.dumps(changed)
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(AuditError, match=r"row \d"):
        verify(path)


def test_rows_cut_off_at_the_end_show_against_a_head_noted_before(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    fill(path, 4)
    head = verify(path).head
    fill(path, 2)
    assert verify(path, head=head).rows == 6
    lines = path.read_text().splitlines()[:3]
    path.write_text("".join(line + "\n" for line in lines))
    assert verify(path).rows == 3
    with pytest.raises(AuditError, match="rows were cut off"):
        verify(path, head=head)


def test_a_row_torn_by_a_kill_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    fill(path, 3)
    path.write_bytes(path.read_bytes()[:-20])
    fill(path, 2)
    assert verify(path).rows == 4


def test_a_damaged_log_is_not_added_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("no row\n")
    with pytest.raises(AuditError, match="damaged"):
        fill(path, 1)
    with pytest.raises(AuditError, match="line 1 is damaged"):
        verify(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    audit = Audit(Path("/dev/full"), policy="")
    with pytest.raises(AuditError, match="No space left on device"):
        audit.write(Verdict("rules", "1", True), EXCHANGE)
    audit.close()


def test_several_processes_share_one_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=fill, args=(path, 50)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert verify(path).rows == 150


def test_conversations_of_one_process_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    verdict = Verdict("rules", "1", True, "window", reason="long " * 400)
    with closing(Audit(path, policy="p" * 64)) as audit, ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(audit.write, verdict, EXCHANGE) for _ in range(400)]:
            done.result()
    assert verify(path).rows == 400


def test_stats_count_decisions_and_latency_by_judge_and_stage(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    fill(path, 9)
    found = stats(path)["rules", "window"]
    assert found.decisions == {"block": 3, "pass": 6}
    assert found.percentile(50) == 4.0
    assert found.percentile(95) == pytest.approx(7.6)


def test_a_log_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="cannot be read"):
        verify(tmp_path / "none.jsonl")
