"""How Alembic runs the migrations here. `assistant.store.upgrade` calls it with a connection; the `alembic` command,
which developers use to write a migration, works on $ASSISTANT_DB or the default database."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from assistant.store.check import is_model
from assistant.store.database import open_database, resolve_url
from assistant.store.schema import Base
from assistant.store.upgrade import migration


def online(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
        raise RuntimeError("foreign keys are on: a batch migration would delete the messages; use upgrade.migration()")
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=is_model,
        compare_type=True,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def offline() -> None:
    context.configure(url=context.config.get_main_option("sqlalchemy.url"), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
elif isinstance(context.config.attributes.get("connection"), Connection):
    online(context.config.attributes["connection"])
else:
    engine = open_database(resolve_url(None))
    try:
        with migration(engine) as own:
            online(own)
    finally:
        engine.dispose()
