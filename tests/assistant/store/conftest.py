from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.personas.persona import Persona
from assistant.store.records import Conversation, PersonaVersion
from assistant.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "conversations.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(str(path)) as store:
        yield store


@pytest.fixture
def pirate(store: Store) -> PersonaVersion:
    return store.save_persona(Persona(name="pirate", title="Pirate", instruction="Talk like a pirate."))


@pytest.fixture
def conversation(store: Store, pirate: PersonaVersion) -> Conversation:
    return store.create_conversation(pirate.id, title="At sea", model="m", engine="e")
