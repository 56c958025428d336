"""A finished dataset on disk: JSONL and Parquet shards, a dataset card, the manifest.

Everything is written under a temporary name and renamed, the manifest last: a folder with a manifest is whole.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatt.dataset import journal, manifest
from gatt.dataset.manifest import Manifest, sha256
from gatt.errors import GattError
from gatt.rows import Row

ROWS_PER_SHARD = 10_000
SHOWN = 12


def require_parquet() -> None:
    """Raises GattError where the package that writes Parquet is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise GattError("writing Parquet needs pyarrow: pip install 'steadfast[train]'") from None


def finish(out: Path, built: Manifest, rows: Sequence[Row]) -> Manifest:
    """Write the rows and all that goes with them, then remove the journal. Returns the manifest with file hashes.

    Raises:
        GattError: something cannot be written; the journal still holds every row.
    """
    try:
        (out / "data").mkdir(exist_ok=True)
        shards = [rows[at : at + ROWS_PER_SHARD] for at in range(0, len(rows), ROWS_PER_SHARD)]
        files: dict[str, str] = {}
        for index, shard in enumerate(shards):
            stem = f"data/rows-{index:05d}-of-{len(shards):05d}"
            lines = "".join(row.model_dump_json() + "\n" for row in shard)
            _replace(out / f"{stem}.jsonl", lines.encode())
            _replace(out / f"{stem}.parquet", _parquet(shard))
            files |= {name: sha256(out / name) for name in (f"{stem}.jsonl", f"{stem}.parquet")}
        built = built.model_copy(update={"files": files})
        _replace(out / "README.md", card(built).encode())
        _replace(out / manifest.NAME, (built.model_dump_json(indent=2) + "\n").encode())
        (out / journal.NAME).unlink(missing_ok=True)
    except OSError as error:
        what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error.strerror)
        raise GattError(
            f"{error.filename or out}: {what}; all {len(rows)} rows are kept: "
            "mend that, and run the same command again with --resume"
        ) from error
    return built


def card(built: Manifest) -> str:
    """The dataset card: what `datasets` reads to find the rows, and what a person needs to judge them."""
    told = built.settings
    families = "\n".join(f"| {name} | {one.kept} | {one.dropped} |" for name, one in built.families.items())
    turns = "\n".join(f"| {name} | {one.kept} | {one.dropped} |" for name, one in built.turns.items())
    dropped = "\n".join(f"| {reason} | {count} |" for reason, count in list(built.dropped.items())[:SHOWN])
    options = "\n".join(f"| {name} | {_cell(value)} |" for name, value in told.items() if name != "model_sha256")
    notes = "\n".join(f"- {note}" for note in built.notes)
    return f"""---
configs:
- config_name: default
  data_files: data/rows-*.parquet
tags:
- ghost-attention
---

# Ghost Attention dataset

{built.kept} dialogues (of {built.tried} tried) whose last answer obeys an instruction given once, in front. Only the
last answer is to be learned. Made by `gatt build-dataset` with {told["model"]} on the {told["engine"]} engine, from
{told["source"]}. The JSONL files hold the same rows as the Parquet files.

{built.terse} rows have the instruction in its terse form, {built.changed} change it in mid-dialogue, {built.probed} end
with a question about it, {built.chained} are chained from several source dialogues, {built.shortened} lost their oldest
exchanges to fit the window. Answers before the last: {", ".join(f"{n} {name}" for name, n in built.history.items())}.

{notes}

The answers are the model's own: its licence and its errors come with them.

## Kept and dropped

| family | rows kept | dropped |
|---|---|---|
{families}

| user turns | rows kept | dropped |
|---|---|---|
{turns}

| reason for dropping | rows |
|---|---|
{dropped}

## Settings

| setting | value |
|---|---|
{options}
"""


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split()).replace("|", "\\|")


def _parquet(rows: Sequence[Row]) -> bytes:
    """With a schema of its own: in a shard where a column is always empty its type could not be told."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.int64()
    schema = pa.schema(
        {
            "id": text,
            "dialogue_id": text,
            "messages": pa.list_(pa.struct({"role": text, "content": text})),
            "families": pa.list_(text),
            "checks": pa.list_(pa.struct({"kind": text, "value": text, "count": number, "relation": text})),
            "terse": pa.bool_(),
            "history": text,
            "source": text,
            "turns": number,
            "changed_at": number,
            "probed": text,
        }
    )
    table = pa.Table.from_pylist([row.model_dump(mode="json") for row in rows], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def _replace(path: Path, data: bytes) -> None:
    """The whole file or the old one, whatever happens."""
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
