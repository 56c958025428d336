"""The journal of a build: each finished row on disk at once, so that no kill costs more than rows in the making.

The first line holds the settings, every other the outcome of one row. A line that a kill tore is cut off on resume.
"""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any, BinaryIO, Self

from pydantic import BaseModel, ConfigDict

from gatt.errors import GattError
from gatt.rows import Row

NAME = "journal.jsonl"
SYNC_SECONDS = 5.0


class Outcome(BaseModel):
    """What became of row `number`: a row, or the reason for which there is none. `refused` counts candidates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    row: Row | None = None
    reason: str | None = None
    families: tuple[str, ...]
    turns: int
    planned_turns: int
    chained: bool = False
    refused: dict[str, int] = {}


class Journal:
    """Outcomes by number, and the file that they are appended to. One process at a time may hold it."""

    def __init__(self, path: Path, stream: BinaryIO, outcomes: dict[int, Outcome]) -> None:
        self.path = path
        self.outcomes = outcomes
        self._stream = stream
        self._synced = time.monotonic()

    @classmethod
    def start(cls, folder: Path, settings: dict[str, Any]) -> Self:
        """A new journal. Raises GattError where the folder is not empty."""
        if folder.is_file():
            raise GattError(f"--out {folder} is a file: give a folder")
        if folder.is_dir() and any(folder.iterdir()):
            raise GattError(f"--out {folder} is not empty: go on there with --resume, or give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what was written is the system's, whatever happens to this process.
        journal = cls(folder / NAME, (folder / NAME).open("ab", buffering=0), {})
        try:
            journal._lock()
            journal._append(json.dumps(settings, ensure_ascii=False))
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def resume(cls, folder: Path, settings: dict[str, Any]) -> Self:
        """The journal of a run that was cut short, mended.

        Raises:
            GattError: there is none, another process holds it, or it was made with other settings; says which.
        """
        path = folder / NAME
        if not path.is_file():
            raise GattError(f"there is nothing to resume in {folder}: start without --resume")
        journal = cls(path, path.open("r+b", buffering=0), {})
        try:
            begun = journal._read(settings)
        except BaseException:
            journal.close()
            raise
        if begun:
            return journal
        journal.close()
        path.unlink()
        return cls.start(folder, settings)

    def _read(self, settings: dict[str, Any]) -> bool:
        """Take in the outcomes and cut off a torn line; False where the process died before it had begun."""
        self._lock()
        whole = self._stream.read()
        end = whole.rfind(b"\n") + 1
        lines = whole[:end].split(b"\n")[:-1]
        if not lines:
            return False
        try:
            begun = json.loads(lines[0])
        except ValueError as error:
            raise GattError(f"line 1 of {self.path} is damaged: build in another folder") from error
        same_settings(begun, settings, self.path.parent)
        self._stream.truncate(end)
        self._stream.seek(end)
        for number, line in enumerate(lines[1:], 2):
            try:
                outcome = Outcome.model_validate_json(line)
            except ValueError as error:
                raise GattError(
                    f"line {number} of {self.path} is damaged: remove that line and resume again"
                ) from error
            self.outcomes[outcome.number] = outcome
        return True

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome. Raises GattError where it cannot be written."""
        self._append(outcome.model_dump_json())
        self.outcomes[outcome.number] = outcome

    def close(self) -> None:
        self._stream.close()

    def _append(self, line: str) -> None:
        data = line.encode() + b"\n"
        try:
            while data:
                data = data[self._stream.write(data) :]
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error.strerror)
            raise GattError(
                f"{self.path}: {what}; {len(self.outcomes)} finished rows are kept: "
                "mend that, and run the same command again with --resume"
            ) from error

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GattError(f"another process builds in {self.path.parent}: wait for it, or stop it") from None


def same_settings(then: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raises GattError naming each setting in which a run differs from the one to go on with."""
    now = json.loads(json.dumps(now))
    differing = [key for key in now | then if then.get(key) != now.get(key)]
    if differing:
        told = "; ".join(f"{key} was {_short(then.get(key))} and is {_short(now.get(key))}" for key in differing)
        raise GattError(f"{folder} was begun with other settings ({told}): give those, or another --out")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
