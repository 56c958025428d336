"""Personas, kept by version so that editing one never rewrites what was said under it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute

from assistant.personas.persona import Persona
from assistant.store.access import Access
from assistant.store.clock import now
from assistant.store.errors import NotFoundError, StorageError
from assistant.store.records import PersonaVersion
from assistant.store.schema import PersonaVersionRow as Table
from guardrails.errors import first_mistake

_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (Table.id, Table.name, Table.version, Table.spec, Table.created_at)

_ONE = select(*_COLUMNS).where(Table.id == bindparam("version"))


def find_version(connection: Connection, id: int) -> PersonaVersion:
    """Raises NotFoundError where there is none."""
    row = connection.execute(_ONE, {"version": id}).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no persona version {id}: `assistant personas list` shows what there is.")
    return _version(row)


def _version(row: Row[*tuple[Any, ...]]) -> PersonaVersion:
    try:
        persona = Persona.model_validate(row.spec)
    except ValidationError as error:
        raise StorageError(
            f"Version {row.version} of the persona {row.name} does not suit this version of steadfast "
            f"({first_mistake(error, 'persona')}): save the persona again."
        ) from error
    return PersonaVersion(row.id, row.name, row.version, persona, row.created_at)


class Personas(Access):
    def save_persona(self, persona: Persona) -> PersonaVersion:
        """Stores `persona` as its name's next version, or returns the version that already has this content."""
        digest = persona.digest()
        known = select(*_COLUMNS).where(Table.name == persona.name, Table.digest == digest)
        newest = select(func.coalesce(func.max(Table.version), 0)).where(Table.name == persona.name)
        with self._write_alone() as connection:
            row = connection.execute(known).one_or_none()
            if row is None:
                connection.execute(
                    insert(Table).values(
                        name=persona.name,
                        version=connection.scalars(newest).one() + 1,
                        digest=digest,
                        spec=persona.model_dump(mode="json"),
                        created_at=now(),
                    )
                )
                row = connection.execute(known).one()
        return _version(row)

    def persona_version(self, id: int) -> PersonaVersion:
        """Raises NotFoundError where there is none."""
        with self._read() as connection:
            return find_version(connection, id)

    def persona_versions(self, name: str) -> list[PersonaVersion]:
        """Every stored version of the persona called `name`, oldest first; empty where it was never used."""
        with self._read() as connection:
            rows = connection.execute(select(*_COLUMNS).where(Table.name == name).order_by(Table.version)).all()
        return [_version(row) for row in rows]
