"""The audit log: one row for each verdict, written before anything it lets through is shown.

A row holds the SHA-256 of the one before it, so that no row can be changed or taken out unseen. What is cut off at
the end only shows against a `head` noted elsewhere. Rows have no text of the chat unless that is asked for.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from guardrails.errors import UserError
from guardrails.judge import Exchange, Verdict

START = "0" * 64


class AuditError(UserError):
    """The log cannot be read or written; the text says why, in one line."""


class Audit:
    """Appends rows to a log that several processes may share."""

    def __init__(self, path: Path, *, policy: str, texts: bool = False) -> None:
        """`policy` is the hash of the policy in force; with `texts` rows hold the last message and the reply.

        Raises:
            AuditError: the file cannot be written.
        """
        self._path = path
        self._policy = policy
        self._texts = texts
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = open(path, "a+b", buffering=0, opener=_private)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise AuditError(f"the audit log {path} cannot be written: {error.strerror}") from error

    def write(self, verdict: Verdict, exchange: Exchange, conversation: str = "") -> None:
        """Append one row; it is the system's when this returns. Raises AuditError."""
        if self._stream.closed:
            raise AuditError(f"the audit log {self._path} is closed")
        row: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "conversation": conversation,
            "stage": verdict.stage,
            "judge": verdict.judge,
            "judge_version": verdict.judge_version,
            "decision": verdict.decision,
            "score": verdict.score,
            "threshold": verdict.threshold,
            "category": verdict.category,
            "reason": verdict.reason,
            "latency_ms": round(verdict.latency_ms, 3),
            "policy": self._policy,
        }
        if self._texts:
            row |= {"message": exchange.prompt[-1].content if exchange.prompt else "", "reply": exchange.reply}
        try:
            # The file's lock keeps other processes out, not this one's other threads.
            with self._lock, _locked(self._stream.fileno()):
                number, head = self._last()
                chained = {"row": number + 1, **row, "before": head}
                line = json.dumps({**chained, "hash": digest(chained)}, ensure_ascii=False).encode() + b"\n"
                if self._stream.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise AuditError(f"the audit log {self._path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        self._stream.close()

    def _last(self) -> tuple[int, str]:
        """Number and hash of the last row. A line that a kill tore let nothing through: it is cut off."""
        size = self._stream.seek(0, os.SEEK_END)
        tail = b""
        while size and tail.count(b"\n") < 2:
            step = min(size, 4096)
            size -= step
            self._stream.seek(size)
            tail = self._stream.read(step) + tail
        whole, newline, torn = tail.rpartition(b"\n")
        if torn:
            self._stream.truncate(self._stream.seek(0, os.SEEK_END) - len(torn))
        if not newline:
            return 0, START
        try:
            row = json.loads(whole.rpartition(b"\n")[2])
            return int(row["row"]), str(row["hash"])
        except (ValueError, KeyError, TypeError) as error:
            raise AuditError(f"the last row of {self._path} is damaged: move the file away, and keep it") from error


def _private(path: str, flags: int) -> int:
    """Opens a file that, if it is new, nobody else may read."""
    return os.open(path, flags, 0o600)


async def recorded(
    verdict: Verdict, exchange: Exchange, conversation: str, audit: Audit | None, *, fail_open: bool
) -> Verdict:
    """The verdict once it is on record; where it cannot be written, that there is none."""
    if audit is not None:
        try:
            await asyncio.to_thread(audit.write, verdict, exchange, conversation)
        except AuditError:
            return replace(verdict, passed=fail_open, unavailable=True, reason="no audit log")
    return verdict


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Other processes wait while this one appends."""
    try:
        import fcntl
    except ImportError:  # Windows, where one process is all there is
        yield
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def digest(row: dict[str, Any]) -> str:
    """SHA-256 of a row without its own hash, in hex."""
    canonical = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Every row of a log, in order, unverified. Raises AuditError."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise AuditError(f"{path} line {number} is damaged") from error
                if not isinstance(row, dict):
                    raise AuditError(f"{path} line {number} is no row")
                yield row
    except OSError as error:
        raise AuditError(f"{path} cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Verified:
    """How many rows hold, and the hash of the last one: note it elsewhere, to know later if rows were cut off."""

    rows: int
    head: str


def verify(path: Path, *, head: str | None = None) -> Verified:
    """Check every hash, and that a row with the hash `head` is still there.

    Raises:
        AuditError: naming the first row that was changed, left out or put in.
    """
    before, count, found = START, 0, head is None
    for row in rows(path):
        count += 1
        own = row.pop("hash", None)
        if row.get("row") != count or row.get("before") != before:
            raise AuditError(f"{path} row {count}: what was before it is missing or another")
        if own != digest(row):
            raise AuditError(f"{path} row {count} was changed")
        before = str(own)
        found = found or before == head
    if not found:
        raise AuditError(f"{path} has {count} rows, and none with the hash {head}: rows were cut off")
    return Verified(count, before)


@dataclass(slots=True)
class Stats:
    """Counts of one judge at one stage, and its latency in milliseconds."""

    decisions: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def percentile(self, percent: int) -> float:
        """Of the latencies; with few rows, an interpolation."""
        if len(self.latencies) < 2:
            return self.latencies[0] if self.latencies else 0.0
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def stats(path: Path) -> dict[tuple[str, str], Stats]:
    """Stats by judge and stage. Raises AuditError."""
    found: dict[tuple[str, str], Stats] = {}
    for row in rows(path):
        of = found.setdefault((str(row.get("judge")), str(row.get("stage"))), Stats())
        of.decisions[str(row.get("decision"))] += 1
        of.latencies.append(float(row.get("latency_ms") or 0.0))
    return dict(sorted(found.items()))
