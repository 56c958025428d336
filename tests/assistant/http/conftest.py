from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assistant.http.running import Running, serving
from tests.scripted_engine import ScriptedEngine


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "chats.db")


@pytest.fixture
def running(db: str, engine: ScriptedEngine) -> Iterator[Running]:
    with serving(db, engine) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that several workers share, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "chats.db")
    url: str = request.getfixturevalue("postgres")
    return url
