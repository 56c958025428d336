"""Reading datasets back, and saying where one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatt.errors import GattError
from gatt.training.load_rows import fingerprint, load_rows
from tests.gatt.training.test_train import a_row

LINES = [a_row(number, 2).model_dump_json() for number in range(3)]


def test_a_folder_and_its_files_hold_the_same_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "built" / "data"
    folder.mkdir(parents=True)
    (folder / "rows-00000-of-00001.jsonl").write_text("\n".join(LINES) + "\n")
    parquet = tmp_path / "rows-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist([a_row(number, 2).model_dump() for number in range(3)]), parquet)
    expected = [a_row(number, 2) for number in range(3)]
    for data in (tmp_path / "built", folder, folder / "rows-00000-of-00001.jsonl", tmp_path, parquet):
        assert load_rows(data) == expected
    assert fingerprint(folder) == fingerprint(tmp_path / "built") != fingerprint(parquet)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", r"rows-0.jsonl:2: not a row .*Invalid JSON"),
        ('{"messages": []}', r"rows-0.jsonl:2: not a row .*id: Field required"),
        ('{"prompt": "Hello"}', r"rows-0.jsonl:2: not a row"),
        (LINES[1].replace("Begin with Aye.", "").replace('"system"', '"user"'), r"rows-0.jsonl:2: .*messages must be"),
        (LINES[0], r"rows-0.jsonl:2: row id '0000000' is at .*rows-0.jsonl:1 too"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "rows-0.jsonl").write_text(f"{LINES[0]}\n{line}\n{LINES[2]}\n")
    with pytest.raises(GattError, match=message):
        load_rows(tmp_path)


def test_nothing_to_read_is_an_error_that_says_what_to_give(tmp_path: Path) -> None:
    for data, message in ((tmp_path, "has no rows"), (tmp_path / "absent", "there is no"), (tmp_path / "a", "no rows")):
        (tmp_path / "a").touch()
        with pytest.raises(GattError, match=message):
            load_rows(data)
    (tmp_path / "rows-1.parquet").write_text("not Parquet")
    with pytest.raises(GattError, match=r"rows-1.parquet cannot be read as Parquet"):
        load_rows(tmp_path)
    (tmp_path / "rows-1.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(GattError, match="not UTF-8"):
        load_rows(tmp_path)
