"""Runs the `assistant` command in this process with a scripted engine and a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.cli.app import app
from assistant.engines import catalog
from assistant.settings import Settings
from assistant.store.store import Store
from tests.scripted_engine import Reply, ScriptedEngine

Run = Callable[..., Any]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    """The engine that every command of the test gets; queue replies on it."""
    scripted = ScriptedEngine()

    def open_scripted(settings: Settings, model: str | None = None, engine: str = "auto") -> catalog.Opened:
        scripted.closed = False
        return catalog.Opened(scripted, "as scripted", False)

    monkeypatch.setattr(catalog, "open_engine", open_scripted)
    return scripted


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "test.db"
    monkeypatch.setenv("ASSISTANT_DB", str(path))
    return path


@pytest.fixture
def run(db: Path) -> Run:
    """`run("ask", "Hello", input=b"")`: the command's result."""

    def invoke(*arguments: str, input: str | bytes = b"") -> Any:
        return CliRunner().invoke(app, list(arguments), input=input, prog_name="assistant")

    return invoke


@pytest.fixture
def store(db: Path) -> Iterator[Store]:
    """The test's database, to look into."""
    with Store.open(str(db)) as opened:
        yield opened


@pytest.fixture
def said(run: Run, engine: ScriptedEngine) -> ScriptedEngine:
    """Conversation 1: two turns with the pirate."""
    engine.queue("Ahoy!", Reply("The sea be blue."))
    assert run("chat", "--persona", "pirate", input="Hello\nWhat colour is the sea?\n").exit_code == 0
    return engine
