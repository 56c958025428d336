"""`assistant models`, `db` and `doctor`."""

from __future__ import annotations

from pathlib import Path

from assistant.store.store import Store
from tests.assistant.cli.conftest import Run
from tests.scripted_engine import ScriptedEngine


def test_models_lists_the_bundled_one(run: Run) -> None:
    header, first = run("models").stdout.splitlines()[:2]
    assert header.split() == ["name", "engine", "usable", "about"]
    assert first.split()[:2] == ["bundled", "transformers"]


def test_check_finds_a_sound_database_sound(run: Run, said: ScriptedEngine, db: Path) -> None:
    result = run("db", "check")
    assert (result.stdout, result.exit_code) == (f"{db} is sound\n", 0)


def test_check_tells_a_damaged_database(run: Run, db: Path) -> None:
    db.write_bytes(b"not a database" * 100)
    result = run("db", "check")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr


def test_a_backup_opens(run: Run, said: ScriptedEngine, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert run("db", "backup", str(copy)).stdout == f"written to {copy}\n"
    with Store.open(str(copy)) as store:
        assert store.counts().messages == 4


def test_down_and_up_again_with_a_backup(run: Run, said: ScriptedEngine, store: Store) -> None:
    store.close()
    down = run("db", "downgrade", "base", "--yes")
    assert down.exit_code == 0, down.stderr
    assert "the backup is" in down.stdout
    up = run("db", "upgrade")
    assert up.exit_code == 0, up.stderr
    assert "has the newest schema" in up.stdout


def test_downgrade_asks_first(run: Run, said: ScriptedEngine) -> None:
    assert run("db", "downgrade", "base", input="n\n").exit_code == 1
    assert run("db", "check").exit_code == 0


def test_doctor_says_what_works(run: Run, said: ScriptedEngine) -> None:
    result = run("doctor")
    lines = {line[9:21].strip(): (line[:9].strip(), line[21:]) for line in result.stdout.splitlines()}
    assert lines["python"][0] == "ok"
    assert lines["torch"][0] == "ok"
    assert "1 conversations, 4 messages" in lines["database"][1]
    assert lines["personas"][0] == "ok"
    assert {"model", "disk", "vllm", "gradio"} <= set(lines)
    broken = any(state == "broken" for state, _ in lines.values())
    assert result.exit_code == (1 if broken else 0)


def test_doctor_tells_a_foreign_database(run: Run, db: Path) -> None:
    db.write_bytes(b"not a database" * 100)
    result = run("doctor")
    assert result.exit_code == 1
    assert "broken   database" in result.stdout
