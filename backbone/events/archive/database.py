"""The archive's database, as a client on this machine sees it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from backbone.errors import ExitCode, StackError
from backbone.stack import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backbone.stack.compose import Model

_CONNECT_TIMEOUT_S = 3
_FETCHED = 2_000  # rows at a time
_NO_TABLE = "no-table"
_HINTS = {  # SQLSTATE, PostgreSQL's appendix A
    "28P01": ("wrong-password", "secrets/postgres_password is not the password that the database was made with"),
    "28000": ("wrong-password", "POSTGRES_USER in .env is not the user that the database was made with"),
    "3D000": ("no-database", "POSTGRES_DB in .env is not the database that was made first"),
    "42P01": (_NO_TABLE, "./invoke connectors apply"),
    "42501": ("no-permission", "grant the user what it needs on the table"),
}


@dataclass(frozen=True, slots=True)
class Database:
    """One table of one database. `password_file` is read at each connection, never kept."""

    host: str
    port: int
    name: str
    user: str
    password_file: Path
    table: str

    @property
    def place(self) -> tuple[str, ...]:
        """Where the table is, as a leftover's trace tells it."""
        return f"{self.host}:{self.port}", self.name, self.table

    @property
    def _server(self) -> postgres.Server:
        return postgres.Server(self.host, self.port, self.name, self.user, self.password_file)

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection in UTC that commits each statement.

        Raises StackError("database-unreachable") and, where PostgreSQL says so, "wrong-password" and the like.
        """
        try:
            with psycopg.connect(
                host=self.host,
                port=self.port,
                dbname=self.name,
                user=self.user,
                password=self._server.password(),
                connect_timeout=_CONNECT_TIMEOUT_S,
                autocommit=True,
                options="-c timezone=UTC",
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise _explained(error, f"{self.host}:{self.port}") from error

    def count(self, source: str) -> int:
        """Return the number of rows of a source, 0 as long as there is no table or nobody answers."""
        query = sql.SQL("SELECT count(*) FROM {} WHERE source = %s").format(sql.Identifier(self.table))
        try:
            with self.connect() as connection:
                row = connection.execute(query, (source,)).fetchone()
        except StackError as error:
            if error.reference not in ("database-unreachable", _NO_TABLE):
                raise
            return 0
        return int(row[0]) if row else 0

    def rows(self, source: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a source as column → value; a moment without zone is UTC.

        They are fetched a part at a time, however many they are.
        """
        query = sql.SQL("SELECT * FROM {} WHERE source = %s").format(sql.Identifier(self.table))
        with self.connect() as connection, connection.transaction(), connection.cursor(name="rows") as cursor:
            cursor.execute(query, (source,))
            names = [column.name for column in cursor.description or ()]
            while rows := cursor.fetchmany(_FETCHED):
                for row in rows:
                    yield dict(zip(names, map(_value, row), strict=True))

    def remove(self, source: str) -> int:
        """Delete the rows of a source and return how many they were; none where the table is new or not made yet."""
        query = sql.SQL("DELETE FROM {} WHERE source = %s").format(sql.Identifier(self.table))
        try:
            with self.connect() as connection:
                return connection.execute(query, (source,)).rowcount
        except StackError as error:
            if error.reference != _NO_TABLE:
                raise
            return 0


def of_stack(model: Model, table: str) -> Database:
    """Return the stack's own database, from what its Compose block says."""
    found = postgres.server(model)
    return Database(
        host=found.host,
        port=found.port,
        name=found.name,
        user=found.user,
        password_file=found.password_file,
        table=table,
    )


def _value(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _explained(error: psycopg.Error, address: str) -> StackError:
    words = str(error).strip()
    state = error.sqlstate or next((code for pattern, code in _CODES_IN_WORDS if re.search(pattern, words)), "")
    if state in _HINTS:
        reference, hint = _HINTS[state]
        return StackError(reference, "PostgreSQL refuses", context=words, hint=hint, exit_code=ExitCode.ENVIRONMENT)
    if isinstance(error, psycopg.OperationalError):
        return StackError(
            "database-unreachable",
            f"PostgreSQL does not answer at {address}",
            context=words,
            hint="./invoke up --profile messaging --profile data\n./invoke logs postgres",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return StackError("database-refused", "PostgreSQL refuses a query", context=words)


# A connection that fails while it is being made carries no SQLSTATE, only words.
_CODES_IN_WORDS = (
    ("password authentication failed", "28P01"),
    ('role ".*" does not exist', "28000"),
    ('database ".*" does not exist', "3D000"),
)
