from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from assistant.personas.persona import Persona
from assistant.store.backup import backup
from assistant.store.check import check
from assistant.store.database import default_url, file_of, open_database, raw_sqlite, resolve_url
from assistant.store.errors import (
    CorruptError,
    DiskFullError,
    ForeignDatabaseError,
    LockedError,
    StorageError,
    UnwritableError,
)
from assistant.store.records import Conversation, NewMessage
from assistant.store.schema import MessageRow
from assistant.store.store import Store
from tests.assistant.store.saying import say

ROOT = Path(__file__).parents[3]


def test_a_path_or_a_url_or_the_environment_names_the_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_url("my chats.db") == f"sqlite:///{tmp_path}/my chats.db"
    assert resolve_url("~/a.db") == f"sqlite:///{Path.home()}/a.db"
    assert resolve_url("sqlite:////tmp/a.db") == "sqlite:////tmp/a.db"
    assert resolve_url(None) == default_url()
    monkeypatch.setenv("ASSISTANT_DB", "b.db")
    assert resolve_url(None) == f"sqlite:///{tmp_path}/b.db"
    assert resolve_url("a.db") == f"sqlite:///{tmp_path}/a.db"


def test_the_password_of_a_server_is_kept_for_connecting_and_hidden_from_messages() -> None:
    url = resolve_url("postgresql://me:secret@host/chats")
    assert url == "postgresql+psycopg://me:secret@host/chats"
    with pytest.raises(StorageError) as error:
        open_database("postgresql+nodriver://me:secret@host/chats")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("name", ["a?b.db", "100% #1.db", "mode=ro.db", "ünï 猫.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with Store.open(str(path)) as store:
        assert store.path == path
        assert path.is_file()
    assert Store.open(store.url).path == path


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("sqlite://", "give a file's path"),
        ("sqlite:///:memory:", "give a file's path"),
        ("no url://x", "give a file's path"),
        ("nosuch://host/name", "give a file's path"),
        ("mysql+pymysql://host/name", "cannot be kept in mysql"),
        ("postgresql+nodriver://host/name", "cannot be used"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_fix(url: str, fix: str) -> None:
    with pytest.raises(StorageError, match=fix) as error:
        Store.open(url)
    assert "\n" not in str(error.value)


@pytest.mark.skipif("psycopg" in sys.modules, reason="the driver is there")
def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match=r"pip install 'psycopg\[binary\]'"):
        Store.open("postgresql://me@localhost/chats")


def test_each_connection_is_safe_and_waits(store: Store) -> None:
    with raw_sqlite(store._engine) as connection:
        values = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "secure_delete": 1,
    }


def test_conversations_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "new" / "a.db")) as store:
        assert store.path is not None
        for file in store.path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a.db", tmp_path / "file" / "deeper" / "a.db"):
        with pytest.raises(UnwritableError, match=r"\$ASSISTANT_DB"):
            Store.open(str(path))
    with pytest.raises(UnwritableError, match="is a folder"):
        Store.open(str(tmp_path))


def test_a_database_that_can_only_be_read_says_so_on_a_write(
    path: Path, store: Store, conversation: Conversation
) -> None:
    with Store.open(f"sqlite:///file:{path}?mode=ro&uri=true") as frozen:
        assert frozen.conversation(conversation.id) == conversation
        with pytest.raises(UnwritableError, match="permissions"):
            frozen.set_title(conversation.id, "x")


def test_a_dead_writers_reply_does_not_keep_a_read_only_database_shut(
    path: Path, store: Store, conversation: Conversation
) -> None:
    question = say(store, conversation.id, None, "q").id
    reply = store.start_reply(conversation.id, question, model="m", engine="e", params={}, persona_version_id=1).id
    with store._engine.begin() as connection:
        connection.execute(update(MessageRow).where(MessageRow.id == reply).values(owner=None))
    with Store.open(f"sqlite:///file:{path}?mode=ro&uri=true") as frozen:
        assert frozen.message(reply).status == "streaming"


def test_a_full_disk_is_named_and_loses_nothing(store: Store, conversation: Conversation) -> None:
    kept = say(store, conversation.id, None, "before")
    with raw_sqlite(store._engine) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(DiskFullError, match="free some disk space"):
        say(store, conversation.id, None, "x" * 100_000)
    assert store.message(kept.id) == kept
    with raw_sqlite(store._engine) as connection:
        connection.execute(f"PRAGMA max_page_count={pages + 1000}")
    say(store, conversation.id, None, "after")
    assert store.conversation(conversation.id).messages == len(store.all_messages(conversation.id))


def test_a_lock_held_too_long_is_named(path: Path, store: Store, conversation: Conversation) -> None:
    with Store.open(str(path), busy_timeout_ms=50) as hasty:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedError, match="another process"):
            hasty.set_title(conversation.id, "x")
        assert hasty.conversation(conversation.id) == conversation
        other.execute("ROLLBACK")
        other.close()
        hasty.set_title(conversation.id, "x")


def test_a_damaged_file_is_named(path: Path) -> None:
    with Store.open(str(path)) as store:
        persona = store.save_persona(Persona(name="p", title="P", instruction="i"))
        conversation = store.create_conversation(persona.id)
        for _ in range(50):
            say(store, conversation.id, None, "x" * 2000)
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(CorruptError, match="restore a backup"), Store.open(str(path)) as store:
        store.all_messages(conversation.id)


@pytest.mark.parametrize("content", [b"PK\x03\x04 not a database " * 100, b"just a note\n"])
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ForeignDatabaseError, match="give another path"):
        Store.open(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "tables", ["CREATE TABLE song(id)", "CREATE TABLE alembic_version(version_num); CREATE TABLE chat(id)"]
)
def test_another_programs_database_is_left_alone(path: Path, tables: str) -> None:
    other = sqlite3.connect(path)
    other.executescript(tables)
    other.close()
    before = path.read_bytes()
    with pytest.raises(ForeignDatabaseError, match="another program's tables"):
        Store.open(str(path))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_backup_is_a_whole_database_of_its_own(store: Store, conversation: Conversation, tmp_path: Path) -> None:
    message = say(store, conversation.id, None, "precious")
    target = backup(store.url, tmp_path / "copy.db")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with Store.open(str(target)) as copy:
        assert copy.message(message.id) == message
        assert copy.search("precious")[0].message_id == message.id
    with pytest.raises(StorageError, match="exists already"):
        backup(store.url, target)
    with pytest.raises(StorageError, match="cannot be written"):
        backup(store.url, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(StorageError, match="no database at"):
        backup(f"sqlite:///{tmp_path}/none.db", tmp_path / "b.db")
    with pytest.raises(StorageError, match="pg_dump"):
        backup("postgresql+psycopg://host/name", tmp_path / "b.db")


def in_another_process(code: str, path: Path) -> str:
    code = f"import sys; from assistant.store.store import Store\nwith Store.open(sys.argv[1]) as store:\n    {code}"
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda url, _folder: Store.open(url).close(), id="open"),
        pytest.param(lambda url, folder: backup(url, folder / "copy.db"), id="backup"),
        pytest.param(lambda url, _folder: check(url), id="check"),
    ],
)
def test_a_second_use_in_one_process_does_not_give_up_the_locks_of_the_first(
    path: Path, store: Store, conversation: Conversation, use: Callable[[str, Path], object], tmp_path: Path
) -> None:
    """Without them the other process would take itself for the last user and delete the log."""
    store.add_messages(conversation.id, [NewMessage("user", "one")])
    use(store.url, tmp_path)
    in_another_process("pass", path)
    store.add_messages(conversation.id, [NewMessage("user", "two")])
    seen = in_another_process(f"print([m.content for m in store.all_messages({conversation.id})])", path)
    assert seen.strip() == "['one', 'two']"


def test_a_link_to_a_file_that_is_not_made_yet_is_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere.db")
    Store.open(str(path)).close()
    assert stat.S_IMODE((tmp_path / "elsewhere.db").stat().st_mode) == 0o600


def test_a_file_that_may_not_be_written_is_an_error_that_names_the_fix(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anything
    with pytest.raises(UnwritableError, match="Permission denied"):
        Store.open(str(path))


def test_opening_a_current_database_imports_no_heavy_module(path: Path) -> None:
    Store.open(str(path)).close()
    code = (
        "import sys; from assistant.store.store import Store; Store.open(sys.argv[1]).close()\n"
        "print({'alembic', 'torch', 'transformers', 'platformdirs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_file_of_finds_the_file_in_every_form_of_url(path: Path) -> None:
    assert file_of(f"sqlite:///{path}") == file_of(f"sqlite:///file:{path}?mode=ro&uri=true") == path
    assert file_of("postgresql+psycopg://host/name") is None


def test_a_copied_database_opens_elsewhere(store: Store, conversation: Conversation, tmp_path: Path) -> None:
    path = store.path
    assert path is not None
    store.close()
    shutil.copy(path, tmp_path / "moved.db")
    with Store.open(str(tmp_path / "moved.db")) as moved:
        assert moved.conversation(conversation.id) == conversation
