"""A PostgreSQL client for the stack's own database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from invoke.context import Context

    from backbone.errors import ExitCode
    from backbone.stack.postgres import Server


@command(help={"sql": "run only this and print what it gives; default: ask for statements"})
def psql(_c: Context, sql: str = "") -> ExitCode | None:
    r"""Open the stack's database with psql, as its user; the password comes from secrets/, by file.

    Without a psql on this machine or in the embedded engine's package, a small loop takes its place: statements end
    with a semicolon, \q ends it.
    """
    import os

    from backbone import console
    from backbone.stack import endpoints, postgres
    from backbone.stack.settings import Settings

    settings = Settings()
    server = postgres.server(endpoints.model(settings))
    passfile = server.passfile(settings.state_dir)
    server.demand()
    program = postgres.client()
    if program is not None:
        argv, environment = postgres.command(program, server, passfile, sql)
        sys.stdout.flush()
        os.execve(program, argv, environment)  # noqa: S606 - no shell: the terminal and the exit code become psql's
    if not sql and sys.stdin.isatty():
        console.say(f"no psql here; {server.name} at {server.host}:{server.port}, statements end with ; and \\q ends")
    return _loop(server, [sql] if sql else postgres.statements(sys.stdin))


def _loop(server: Server, statements: Iterable[str]) -> ExitCode | None:
    """Run statements as psql does: each by itself, and what the exit code says is how the last one ended."""
    import psycopg
    from rich.markup import escape

    from backbone import console
    from backbone.errors import ExitCode
    from backbone.events.archive.database import Database
    from backbone.stack import postgres

    database = Database(server.host, server.port, server.name, server.user, server.password_file, "")
    end = None
    with database.connect() as connection:
        for statement in statements:
            try:
                columns, rows, status = postgres.execute(connection, statement)
            except psycopg.Error as error:
                console.say(escape(f"ERROR: {str(error).strip()}"))
                end = ExitCode.FINDINGS
                continue
            end = None
            if columns:
                console.print_table(tuple(columns), rows)
            console.say(escape(status))
    return end
