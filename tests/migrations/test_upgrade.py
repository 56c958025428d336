"""Upgrades and downgrades of databases that hold conversations."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from assistant.personas.persona import Persona
from assistant.store import schema, upgrade
from assistant.store.check import check, rebuild_search
from assistant.store.database import open_database, resolve_url
from assistant.store.errors import NewerDatabaseError, UpgradeError
from assistant.store.store import Store
from assistant.store.upgrade import configure, downgrade, ensure_current, migration, migrations_folder
from tests.assistant.store.saying import begin, judge, say

ROOT = Path(__file__).parents[2]
CURRENT = schema.REVISION

# A migration of the kind that deletes every message where foreign keys are on.
REPLACES_CONVERSATION = """
    with op.batch_alter_table("conversation", recreate="always") as batch:
        batch.add_column(sa.Column("colour", sa.Text(), nullable=False, server_default="blue"))
"""
FAILS_HALFWAY = """
    op.add_column("conversation", sa.Column("colour", sa.Text(), nullable=True))
    op.execute("DELETE FROM message")
    op.execute("DROP TABLE tag")
    op.execute("INSERT INTO nowhere VALUES (1)")
"""
ORPHANS_MESSAGES = """
    op.execute("DELETE FROM conversation")
"""
LOSES_TRIGGERS = """
    with op.batch_alter_table("message", recreate="always") as batch:
        batch.add_column(sa.Column("colour", sa.Text(), nullable=True))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chats.db"


@pytest.fixture
def next_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations that the program takes for its own, with room for one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(upgrade, "migrations_folder", lambda: folder)
    monkeypatch.setattr(schema, "REVISION", "9999")
    return folder


def write_migration(folder: Path, steps: str) -> None:
    down = max(file.name[:4] for file in (folder / "versions").glob("*.py"))
    (folder / "versions" / "9999_next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision, branch_labels, depends_on = '9999', {down!r}, None, None\n"
        f"def upgrade():\n{steps}\ndef downgrade():\n    pass\n"
    )


def fill(path: Path) -> list[tuple[object, ...]]:
    """A store with something in every table; returns `rows` of it."""
    with Store.open(str(path)) as store:
        persona = store.save_persona(Persona(name="pirate", title="Pirate", instruction="Arr."))
        for number in range(3):
            conversation = store.create_conversation(persona.id, title=f"Voyage {number}")
            question = say(store, conversation.id, None, f"Where to, parrot {number}?")
            for text in ("North", "South"):
                reply = begin(store, question)
                store.finish_reply(reply.id, text, status="complete")
            store.add_tag(conversation.id, "sea")
            store.add_feedback(reply.id, 1, "good")
            judge(store, reply.id, withheld="West")
    return rows(path)


def rows(
    path: Path, tables: tuple[str, ...] = ("persona_version", "conversation", "message")
) -> list[tuple[object, ...]]:
    """Every row, without the columns that hold nothing: schemas with and without them compare."""
    connection = sqlite3.connect(path)
    connection.row_factory = lambda cursor, row: tuple(
        (column[0], value) for column, value in zip(cursor.description, row, strict=True) if value is not None
    )
    try:
        return [row for table in tables for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]
    finally:
        connection.close()


def revision(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    finally:
        connection.close()


def backups(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.backup"))


def test_the_newest_migration_is_the_one_the_program_expects() -> None:
    script = ScriptDirectory(str(migrations_folder()))
    assert script.get_heads() == [schema.REVISION]


def test_a_new_database_is_sound_and_matches_the_models(path: Path) -> None:
    Store.open(str(path)).close()
    assert check(resolve_url(str(path))) == []
    assert backups(path) == []


def test_every_message_survives_the_way_down_and_up(path: Path) -> None:
    before = fill(path)
    url = resolve_url(str(path))
    saved = downgrade(url, "0001")
    assert revision(path) == "0001"
    assert rows(path) == before
    assert saved is not None
    assert all(rows(saved, (table,)) for table in ("feedback", "verdict", "withheld"))
    with Store.open(str(path)) as store:
        assert len(store.search("parrot")) == 3
        assert store.list_conversations()[0].tags == ()
    assert rows(path) == before
    assert check(url) == []
    assert [revision(file) for file in backups(path)] == [CURRENT, "0001"]


def test_a_downgrade_to_base_leaves_an_empty_database_that_opens_again(path: Path) -> None:
    fill(path)
    downgrade(resolve_url(str(path)), "base")
    with Store.open(str(path)) as store:
        assert store.counts().messages == 0
    assert check(resolve_url(str(path))) == []


def test_a_downgrade_to_an_unknown_schema_names_those_there_are(path: Path) -> None:
    fill(path)
    with pytest.raises(UpgradeError, match="0001, 0002, 0003, 0005, 0006, 0007 or base"):
        downgrade(resolve_url(str(path)), "0042")


def test_opening_a_current_database_makes_no_backup(path: Path) -> None:
    fill(path)
    engine = open_database(resolve_url(str(path)))
    assert ensure_current(engine) is None
    engine.dispose()
    assert backups(path) == []


def test_a_migration_that_replaces_a_table_deletes_nothing(path: Path, next_schema: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "REVISION", CURRENT)
        fill(path)
    before = rows(path, ("message", "verdict", "feedback"))
    write_migration(next_schema, REPLACES_CONVERSATION)
    with Store.open(str(path)) as store:
        assert len(store.search("parrot")) == 3
    assert rows(path, ("message", "verdict", "feedback")) == before
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT colour FROM conversation").fetchall() == [("blue",)] * 3
    connection.close()


def test_a_migration_with_foreign_keys_on_is_refused(path: Path, next_schema: Path) -> None:
    write_migration(next_schema, REPLACES_CONVERSATION)
    engine = open_database(resolve_url(str(path)))
    with engine.begin() as connection, pytest.raises(RuntimeError, match="foreign keys are on"):
        command.upgrade(configure(connection), "9999")
    engine.dispose()


def test_foreign_keys_are_on_again_after_a_migration(path: Path) -> None:
    Store.open(str(path)).close()
    engine = open_database(resolve_url(str(path)))
    with migration(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0
    with pytest.raises(DBAPIError), migration(engine) as connection:
        connection.exec_driver_sql("no SQL")
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000
    engine.dispose()


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        pytest.param(FAILS_HALFWAY, "no such table: nowhere", id="statement fails"),
        pytest.param(ORPHANS_MESSAGES, "refers to a missing row of conversation", id="orphans"),
        pytest.param(LOSES_TRIGGERS, "the migration lost message_fts_delete", id="search lost"),
    ],
)
def test_a_failed_upgrade_names_the_backup_and_changes_nothing(
    path: Path, next_schema: Path, monkeypatch: pytest.MonkeyPatch, steps: str, reason: str
) -> None:
    monkeypatch.setattr(schema, "REVISION", CURRENT)
    before = fill(path)
    monkeypatch.setattr(schema, "REVISION", "9999")
    write_migration(next_schema, steps)
    with pytest.raises(UpgradeError, match=reason) as error:
        Store.open(str(path))
    (saved,) = backups(path)
    assert str(saved) in str(error.value)
    assert "\n" not in str(error.value)
    assert rows(saved) == before
    monkeypatch.setattr(schema, "REVISION", CURRENT)
    assert check(resolve_url(str(path))) == []
    with Store.open(str(path)) as store:
        assert store.counts().messages == 9
    assert rows(path) == before


def test_a_backup_that_cannot_be_written_stops_the_upgrade(
    path: Path, next_schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "REVISION", CURRENT)
    before = fill(path)
    monkeypatch.setattr(schema, "REVISION", "9999")
    write_migration(next_schema, REPLACES_CONVERSATION)
    monkeypatch.setattr(upgrade, "_free_name", lambda _path, _revision: path / "under-a-file.backup")
    with pytest.raises(Exception, match="cannot be written"):
        Store.open(str(path))
    assert (revision(path), rows(path)) == (CURRENT, before)


def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    fill(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.commit()
    connection.close()
    before = rows(path)
    with pytest.raises(NewerDatabaseError, match=r"0099.*pip install --upgrade"):
        Store.open(str(path))
    assert (revision(path), rows(path), backups(path)) == ("0099", before, [])


def test_of_many_that_find_an_old_database_one_upgrades_it(path: Path) -> None:
    before = fill(path)
    downgrade(resolve_url(str(path)), "0001")
    for file in backups(path):
        file.unlink()
    failures: list[Exception] = []

    def open_store() -> None:
        try:
            with Store.open(str(path)) as store:
                assert store.counts().messages == 9
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(backups(path)) == 1
    assert rows(path) == before


def test_several_processes_can_make_one_database_at_once(path: Path) -> None:
    code = "import sys; from assistant.store.store import Store; print(Store.open(sys.argv[1]).counts().messages)"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in started] == ["0"] * 2
    assert check(resolve_url(str(path))) == []


def test_the_sql_for_a_database_server_can_be_written() -> None:
    output = io.StringIO()
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", "postgresql://host/name")
    command.upgrade(config, "head", sql=True)
    created = re.findall(r'CREATE TABLE "?(\w+)', output.getvalue())
    assert sorted(created) == sorted(["alembic_version", *schema.Base.metadata.tables])
    assert "message_fts" not in output.getvalue()


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("DROP TRIGGER message_fts_update", "trigger message_fts_update is missing"),
        ("ALTER TABLE tag ADD COLUMN colour TEXT", "schema differs"),
        ("DROP INDEX ix_message_status", "schema differs"),
        ("UPDATE conversation SET message_count = 7 WHERE id = 1", "1 conversations have a wrong number"),
        ("UPDATE conversation SET active_leaf_id = 999 WHERE id = 1", "1 conversations have an active leaf"),
        ("DELETE FROM conversation WHERE id = 1", "refers to a missing conversation"),
        ("UPDATE alembic_version SET version_num = '0001'", f"The schema is 0001, not {CURRENT}"),
    ],
)
def test_the_check_finds_what_is_wrong(path: Path, damage: str, finding: str) -> None:
    fill(path)
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    assert any(finding in problem for problem in check(resolve_url(str(path))))


def test_a_search_index_that_lags_is_found_and_rebuilt(path: Path) -> None:
    fill(path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER message_fts_update")
    connection.execute("UPDATE message SET content = 'Zanzibar' WHERE id = 2")
    connection.execute(
        "CREATE TRIGGER message_fts_update AFTER UPDATE OF content ON message BEGIN "
        "INSERT INTO message_fts(message_fts, rowid, content) VALUES ('delete', old.id, old.content); "
        "INSERT INTO message_fts(rowid, content) VALUES (new.id, new.content); END"
    )
    connection.commit()
    connection.close()
    url = resolve_url(str(path))
    assert check(url) == ["The search index does not match the messages: rebuild it."]
    rebuild_search(url)
    assert check(url) == []
    with Store.open(str(path)) as store:
        assert [hit.message_id for hit in store.search("zanzibar")] == [2]


def test_a_developer_can_let_alembic_write_a_migration(
    path: Path, next_schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "REVISION", CURRENT)
    fill(path)
    monkeypatch.setenv("ASSISTANT_DB", str(path))
    config = Config()
    config.set_main_option("script_location", str(next_schema))
    config.set_main_option("path_separator", "os")
    config.print_stdout = lambda *_args, **_options: None  # type: ignore[method-assign]
    command.revision(config, "Nothing changed", autogenerate=True, rev_id="0042")
    written = (next_schema / "versions" / "0042_nothing_changed.py").read_text()
    assert f"down_revision = '{CURRENT}'" in written
    assert written.count("    pass\n") == 2


def test_a_missing_migrations_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "__file__", str(tmp_path / "assistant" / "store" / "upgrade.py"))
    with pytest.raises(Exception, match="reinstall"):
        migrations_folder()
    installed = tmp_path / "assistant" / "migrations"
    installed.mkdir(parents=True)
    (installed / "env.py").touch()
    assert migrations_folder() == installed
