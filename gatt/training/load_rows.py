"""Reading back what `gatt build-dataset` wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gatt.errors import GattError
from gatt.rows import Row


def load_rows(data: Path) -> list[Row]:
    """The rows of a dataset's folder (JSONL shards, or else Parquet), or of one JSONL or Parquet file.

    Raises:
        GattError: no rows, or one of another form; names the file and the line.
    """
    rows: list[Row] = []
    seen: dict[str, str] = {}
    for file in shards(data):
        for number, row in enumerate(_read(file), start=1):
            where = f"{file}:{number}"
            if row.id in seen:
                raise GattError(f"{where}: row id {row.id!r} is at {seen[row.id]} too: build the dataset again")
            seen[row.id] = where
            rows.append(row)
    if not rows:
        raise GattError(f"{data} holds no rows: build a dataset with `gatt build-dataset`")
    return rows


def shards(data: Path) -> list[Path]:
    """The files that hold a dataset's rows. Where a folder has each row in both formats, the JSONL ones."""
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise GattError(f"there is no {data}: give the folder that `gatt build-dataset` wrote, or a .jsonl file")
    for kind in ("jsonl", "parquet"):
        found = sorted(data.glob(f"rows-*.{kind}")) or sorted(data.glob(f"data/rows-*.{kind}"))
        if found:
            return found
    raise GattError(f"{data} has no rows-*.jsonl and no rows-*.parquet: give a folder that `gatt build-dataset` wrote")


def fingerprint(data: Path) -> str:
    """SHA-256 of the dataset's rows as they lie in its files."""
    digest = hashlib.sha256()
    for file in shards(data):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _read(file: Path) -> Iterator[Row]:
    if file.suffix == ".parquet":
        yield from _validated(file, _parquet(file))
        return
    try:
        with file.open(encoding="utf-8") as stream:
            yield from _validated(file, (line for line in stream))
    except UnicodeDecodeError as error:
        raise GattError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _validated(file: Path, records: Iterable[str | dict[str, Any]]) -> Iterator[Row]:
    for number, record in enumerate(records, start=1):
        try:
            yield Row.model_validate_json(record) if isinstance(record, str) else Row.model_validate(record)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            what = f"{where}: {first['msg']}" if where else first["msg"]
            raise GattError(f"{file}:{number}: not a row as `gatt build-dataset` writes it: {what}") from error


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            for batch in table.iter_batches():
                yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise GattError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
