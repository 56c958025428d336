"""Whether a database is sound, and the repair of its search index."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, Engine, text

from assistant.store import schema
from assistant.store.database import open_database, raw_sqlite, storage_errors
from assistant.store.upgrade import revision_of

_SHOWN = 5

_COUNTS = """
SELECT count(*) FROM conversation WHERE message_count <>
    (SELECT count(*) FROM message WHERE message.conversation_id = conversation.id)
"""
_LEAVES = """
SELECT count(*) FROM conversation WHERE active_leaf_id IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM message WHERE message.id = active_leaf_id AND message.conversation_id = conversation.id)
"""


def check(url: str) -> list[str]:
    """What is wrong with the database, one line each; empty for a sound one. Raises StorageError where it cannot open.

    Reads every page: about a second for 100,000 messages.
    """
    engine = open_database(url)
    try:
        problems = _damage(engine) if engine.dialect.name == "sqlite" else []
        if problems:  # nothing else can be trusted
            return problems
        with storage_errors(url), engine.connect() as connection:
            revision = revision_of(connection)
            if revision != schema.REVISION:
                return [
                    f"The schema is {revision or 'missing'}, not {schema.REVISION}: start the assistant to upgrade it."
                ]
            problems = [f"The schema differs from the program's: {line}" for line in drift(connection)]
            for query, what in (
                (_COUNTS, "a wrong number of messages"),
                (_LEAVES, "an active leaf that is missing"),
            ):
                if wrong := connection.scalars(text(query)).one():
                    problems.append(f"{wrong} conversations have {what}.")
        if engine.dialect.name == "sqlite":
            problems += _search_problems(engine)
        return problems
    finally:
        engine.dispose()


def rebuild_search(url: str) -> None:
    """Makes the search index anew from the stored messages. Nothing happens on a database server, which has none."""
    engine = open_database(url)
    try:
        if engine.dialect.name == "sqlite":
            with storage_errors(url), engine.execution_options(writes=True).begin() as connection:
                connection.exec_driver_sql("INSERT INTO message_fts(message_fts) VALUES ('rebuild')")
    finally:
        engine.dispose()


def is_model(name: str | None, type_: str, _parents: object) -> bool:
    """Alembic's `include_name`: leaves out the tables that no model describes."""
    return type_ != "table" or name is None or not name.startswith(schema.SEARCH_TABLE)


def drift(connection: Connection) -> list[str]:
    """How the tables differ from the models, one line each."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(
        connection,
        opts={"include_name": is_model, "compare_type": True, "target_metadata": schema.Base.metadata},
    )
    return [str(difference) for difference in compare_metadata(context, schema.Base.metadata)]


def _damage(engine: Engine) -> list[str]:
    with storage_errors(str(engine.url)), raw_sqlite(engine) as connection:
        lines = [line for (line,) in connection.execute(f"PRAGMA integrity_check({_SHOWN})")]
        problems = [f"The file is damaged: {line}" for line in lines if line != "ok"]
        broken = connection.execute("PRAGMA foreign_key_check").fetchmany(_SHOWN)
        return problems + [f"Row {row} of {table} refers to a missing {parent}." for table, row, parent, _ in broken]


def _search_problems(engine: Engine) -> list[str]:
    with storage_errors(str(engine.url)), raw_sqlite(engine) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        present = {name for (name,) in connection.execute(query)}
        problems = [f"The trigger {name} is missing." for name in schema.SEARCH_TRIGGERS if name not in present]
        try:
            # With a rank, the index is compared with the messages too.
            connection.execute("INSERT INTO message_fts(message_fts, rank) VALUES ('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            if not error.sqlite_errorname.startswith("SQLITE_CORRUPT"):
                raise
            problems.append("The search index does not match the messages: rebuild it.")
    return problems
