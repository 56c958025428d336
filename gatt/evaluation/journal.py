"""Finished work on disk, line by line, so that a kill loses nothing and a resumed run repeats nothing.

The file is also the record of every single outcome: JSON lines, the first one the settings of the run.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from gatt.errors import GattError

Record = dict[str, Any]


class Journal:
    """Records by key. Without a path they live in memory only."""

    def __init__(self, path: Path | None, settings: Mapping[str, Any], *, resume: bool = False) -> None:
        """Open or go on with the journal at `path`.

        Raises:
            GattError: the file exists and the run does not resume it, or it is of a run with other settings.
        """
        self.records: dict[str, Record] = {}
        self.path = path
        self._file: FileIO | None = None
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            if not resume:
                raise GattError(f"{path} has an earlier run's results: add --resume to go on, or name another --json")
            self._read(path, json.loads(json.dumps(settings)))
            self._file = path.open("ab", buffering=0)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb", buffering=0)
            self._append({"settings": dict(settings)})

    async def once(self, key: str, make: Callable[[], Awaitable[Record]]) -> Record:
        """The record of `key`: the one on file, else the one that `make` makes, then on file."""
        if key not in self.records:
            record = await make()
            self._append({"key": key} | record)
            self.records[key] = record
        return self.records[key]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _append(self, line: Record) -> None:
        if self._file is None:
            return
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.close()
            raise GattError(
                f"cannot write {self.path}: {error.strerror}; make room, then go on with --resume"
            ) from error

    def _read(self, path: Path, settings: Mapping[str, Any]) -> None:
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]  # a kill or a full disk may have cut the last line short
        if whole != data:
            os.truncate(path, len(whole))
        # Not splitlines: a reply may have other characters that end a line.
        for number, line in enumerate(whole.decode("utf-8").split("\n")[:-1]):
            try:
                record = json.loads(line)
                if number == 0:
                    _same(path, record["settings"], settings)
                else:
                    self.records[record.pop("key")] = record
            except (ValueError, KeyError, TypeError) as error:
                raise GattError(f"{path} line {number + 1} is no record of an evaluation: remove the file") from error
        if not whole:
            raise GattError(f"{path} has no whole line: remove the file")


def _same(path: Path, recorded: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    for name in {**recorded, **settings}:
        if recorded.get(name) != settings.get(name):
            raise GattError(
                f"{path} is of a run with {name} {recorded.get(name)!r}, now {settings.get(name)!r}: "
                "resume with the same settings, or name another --json"
            )
