"""People who log in: names, passwords, and what stays when somebody goes."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import PersonaVersion
from assistant.store.store import Store
from assistant.store.users import LONGEST_PASSWORD

PASSWORD = "correct horse battery"


def test_a_password_is_known_and_no_other_is(store: Store) -> None:
    user = store.add_user(" Ada ", PASSWORD)
    assert user.name == "ada"
    assert store.user("ADA") == user
    assert store.knows("Ada", PASSWORD)
    assert not store.knows("ada", PASSWORD + " ")
    assert not store.knows("bob", PASSWORD)
    assert not store.knows("ada", "x" * (LONGEST_PASSWORD + 1))


def test_the_password_itself_is_not_kept(store: Store) -> None:
    store.add_user("ada", PASSWORD)
    store.add_user("bob", PASSWORD)
    # Salted: the same password is kept as something else, and so are the keys made of it.
    assert store.password_digest("ada") != store.password_digest("bob")
    assert store.path is not None
    files = list(store.path.parent.glob("conversations.db*"))
    assert b"scrypt$" in b"".join(file.read_bytes() for file in files)
    assert PASSWORD.encode() not in b"".join(file.read_bytes() for file in files)


def test_a_new_password_replaces_the_old_one_and_its_key(store: Store) -> None:
    store.add_user("ada", PASSWORD)
    before = store.password_digest("ada")
    store.set_password("ada", "another good one")
    assert store.knows("ada", "another good one")
    assert not store.knows("ada", PASSWORD)
    assert store.password_digest("ada") != before


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "ä", "x" * 65, "a/b", "a\nb"])
def test_what_is_no_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(StorageError, match="is no user name"):
        store.add_user(name, PASSWORD)
    assert store.users() == []


@pytest.mark.parametrize("password", ["", "x" * 9, "x" * (LONGEST_PASSWORD + 1)])
def test_a_password_has_a_sensible_length(store: Store, password: str) -> None:
    with pytest.raises(StorageError, match="characters"):
        store.add_user("ada", password)
    store.add_user("ada", PASSWORD)
    with pytest.raises(StorageError, match="characters"):
        store.set_password("ada", password)
    assert store.knows("ada", PASSWORD)


def test_a_name_is_taken_once(store: Store) -> None:
    store.add_user("ada", PASSWORD)
    with pytest.raises(StorageError, match="There is a user ada already"):
        store.add_user("ADA", "another good one")
    assert store.knows("ada", PASSWORD)


def test_who_goes_leaves_their_conversations(store: Store, pirate: PersonaVersion) -> None:
    ada, bob = store.add_user("ada", PASSWORD), store.add_user("bob", PASSWORD)
    kept = store.create_conversation(pirate.id, user_id=ada.id)
    thrown = store.create_conversation(pirate.id, user_id=ada.id)
    store.trash(thrown.id)
    assert [(user.name, user.conversations) for user in store.users()] == [("ada", 1), ("bob", 0)]
    assert [item.id for item in store.list_conversations(user_id=ada.id)] == [kept.id]
    assert store.list_conversations(user_id=bob.id) == []
    store.remove_user("ada")
    assert not store.knows("ada", PASSWORD)
    assert store.conversation(kept.id).user_id == ada.id
    # Whoever takes the name next is somebody else.
    assert store.add_user("ada", PASSWORD).id not in (ada.id, bob.id)
    assert [user.conversations for user in store.users()] == [0, 0]


def test_one_user_is_found_without_counting_everybody_s_conversations(store: Store, pirate: PersonaVersion) -> None:
    store.add_user("ada", PASSWORD)
    bob = store.add_user("bob", PASSWORD)
    for trashed in (False, True):
        conversation = store.create_conversation(pirate.id, user_id=bob.id)
        if trashed:
            store.trash(conversation.id)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    found = store.user("Bob")
    event.remove(store._engine, "before_cursor_execute", note)
    assert (found, found.conversations) == (store.users()[1], 1)
    assert [statement for statement in asked if "GROUP BY" in statement] == []
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 1


def test_somebody_unknown_is_told_as_such(store: Store) -> None:
    for ask in (store.user, store.password_digest, store.remove_user):
        with pytest.raises(NotFoundError, match="assistant users list"):
            ask("nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        store.set_password("nobody", PASSWORD)
