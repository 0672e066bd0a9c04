"""The stack's PostgreSQL for people: where it is, its URL, a password file that libpq reads, and a client.

The password is in one file of this checkout (ADR 0062). libpq wants it with host and user beside it (PostgreSQL's
documentation, "The Password File"): that form is kept in the state folder, readable by its owner alone. So the password
is in no command line, no variable and no output.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.stack import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from backbone.stack.compose import Model

SERVICE = "postgres"
URL = "POSTGRES_URL"
"""The variable of `endpoints` that has its address."""

Untyped: TypeAlias = Any
"""A connection of psycopg."""

_CONNECT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Server:
    """A database, as a client on this machine sees it. `password_file` is read when it is needed, never kept."""

    host: str
    port: int
    name: str
    user: str
    password_file: Path

    def password(self) -> str:
        """Read the password; StackError("no-password-file") if that is not possible."""
        try:
            return reading.read_text(self.password_file)
        except StackError as error:
            raise StackError(
                "no-password-file",
                f"cannot read {self.password_file}",
                context=error.context,
                hint="./invoke up --profile messaging --profile data\n"
                "makes it; made by plain docker compose, it belongs to whom the checkout belongs to",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error

    def passfile(self, folder: Path) -> Path:
        """Return libpq's password file in a folder, made or brought up to date; StackError("no-password-file").

        Also StackError("folder-not-writable").
        """
        fields = (self.host, str(self.port), self.name, self.user, self.password())
        line = ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields) + "\n"
        file = self.passfile_in(folder)
        if reading.peek(file) != line:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                durable_file.replace(file, line, mode=0o600)
            except OSError as error:
                raise StackError(
                    "folder-not-writable",
                    f"cannot write {file}",
                    context=error.strerror,
                    hint=f"ls -ld {shlex.quote(str(file))}; df -h {shlex.quote(str(folder))}",
                    exit_code=ExitCode.ENVIRONMENT,
                ) from error
        return file

    @staticmethod
    def passfile_in(folder: Path) -> Path:
        """Return where a folder has the password file, made or not."""
        return folder / "pgpass"

    def url(self, *, password: str = "", passfile: Path | None = None) -> str:
        """Return a URL that libpq and its kin take, with a password, or with the file that it is in."""
        who = quote(self.user, safe="") + (f":{quote(password, safe='')}" if password else "")
        query = f"?passfile={quote(str(passfile), safe='/')}" if passfile else ""
        return f"postgresql://{who}@{self.host}:{self.port}/{quote(self.name, safe='')}{query}"

    def demand(self) -> None:
        """Raise StackError("database-unreachable") unless somebody takes connections there."""
        try:
            socket.create_connection((self.host, self.port), timeout=_CONNECT_TIMEOUT_S).close()
        except OSError as error:
            raise StackError(
                "database-unreachable",
                f"PostgreSQL does not answer at {self.host}:{self.port}",
                context=str(error),
                hint="./invoke up --profile messaging --profile data\n./invoke logs postgres",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error


def server(model: Model) -> Server:
    """Return the stack's own database, from what its Compose block says."""
    service = model[SERVICE]
    host, port = endpoints.address(model, SERVICE)
    inside = PurePosixPath(service.environment["POSTGRES_PASSWORD_FILE"])
    folder = next(mount.source for mount in service.mounts if PurePosixPath(mount.target) == inside.parent)
    return Server(
        host, port, service.environment["POSTGRES_DB"], service.environment["POSTGRES_USER"], Path(folder) / inside.name
    )


def client() -> Path | None:
    """Return psql: the machine's, else the one of the embedded engine's package, None if there is neither."""
    from backbone.stack.engine.embedded.runtimes import postgres  # noqa: PLC0415 - Docker's users need not have it

    found = shutil.which("psql")
    return Path(found) if found else postgres.packaged_client()


def command(program: Path, server: Server, passfile: Path, sql: str = "") -> tuple[list[str], dict[str, str]]:
    """Return the command line of psql and its whole environment. sql: only this; else it asks for statements."""
    argv = [
        str(program),
        *("--host", server.host, "--port", str(server.port), "--username", server.user, "--dbname", server.name),
        *(["--command", sql] if sql else []),
    ]
    others = {name: value for name, value in os.environ.items() if name != "PGPASSWORD"}
    return argv, {**others, "PGPASSFILE": str(passfile)}


def statements(lines: Iterable[str]) -> Iterator[str]:
    r"""Yield what ends with a semicolon at the end of a line, and what is left; \q ends it."""
    text = ""
    for line in lines:
        if not text and line.strip() in {"\\q", "exit", "quit"}:
            return
        text += line
        if text.rstrip().endswith(";"):
            yield text.strip()
            text = ""
    if text.strip():
        yield text.strip()


def execute(connection: Untyped, sql: str) -> tuple[Sequence[str], Sequence[Sequence[object]], str]:
    """Run one statement; its columns and rows (none for what gives none), and PostgreSQL's word for what it did."""
    cursor = connection.execute(sql)
    if cursor.description is None:
        return (), (), cursor.statusmessage or ""
    return [column.name for column in cursor.description], cursor.fetchall(), cursor.statusmessage or ""
