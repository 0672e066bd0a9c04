"""The database's place is read from Compose, and what PostgreSQL says is told with a remedy."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events.archive.database import Database, of_stack
from backbone.stack import endpoints
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def refusal(sqlstate: str, message: str) -> bytes:
    """Return PostgreSQL's ErrorResponse (protocol 3.0, message formats)."""
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


LETS_IN = b"R" + (8).to_bytes(4, "big") + (0).to_bytes(4, "big") + b"Z" + (5).to_bytes(4, "big") + b"I"
"""AuthenticationOk and ReadyForQuery."""


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[int]:
    """Answer every connection with one refusal, after declining TLS; each query, where the refusal is of those."""
    refused, queries = request.param if isinstance(request.param, tuple) else (request.param, False)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while (start := client.recv(1024)) and int.from_bytes(start[4:8], "big") != 196608:
                    client.sendall(b"N")
                if start:
                    client.sendall(LETS_IN if queries else refused)
                while queries and (asked := client.recv(4096)) and not asked.startswith(b"X"):
                    client.sendall(refused + LETS_IN[9:])

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def database(port: int, folder: Path) -> Database:
    file = folder / "password"
    file.write_text("p")
    return Database("127.0.0.1", port, "events", "me", file, "events")


@pytest.mark.parametrize(
    ("server", "reference", "hint"),
    [
        (refusal("28P01", 'password authentication failed for user "me"'), "wrong-password", "secrets/"),
        (refusal("3D000", 'database "events" does not exist'), "no-database", "POSTGRES_DB"),
        (refusal("57P03", "the database system is starting up"), "database-unreachable", "invoke up"),
    ],
    indirect=["server"],
)
def test_a_refusal_is_told_with_its_remedy(server: int, reference: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught, database(server, tmp_path).connect():
        pass
    assert (caught.value.reference, caught.value.exit_code) == (reference, ExitCode.ENVIRONMENT)
    assert hint in (caught.value.hint or "")


def test_a_database_that_is_away_has_no_rows_yet(tmp_path: Path) -> None:
    assert database(9, tmp_path).count("run") == 0


@pytest.mark.parametrize("server", [refusal("28P01", "password authentication failed")], indirect=True)
def test_a_wrong_password_is_no_empty_table(server: int, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="wrong-password"):
        database(server, tmp_path).count("run")


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no-password-file"):
        Database("127.0.0.1", 9, "d", "u", tmp_path / "none", "t").count("run")


def test_its_place_is_what_the_compose_block_says(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "POSTGRES_PORT": "15432", "POSTGRES_DB": "d", "SECRETS_DIR": str(tmp_path)}
    found = of_stack(endpoints.model(Settings(ROOT, environ)), "events")
    assert (found.host, found.port, found.name) == ("127.0.0.1", 15432, "d")
    assert found.password_file == tmp_path / "postgres_password"


@pytest.mark.parametrize("server", [(refusal("42P01", 'relation "events" does not exist'), True)], indirect=True)
def test_a_table_that_is_not_made_yet_has_no_rows_and_none_to_remove(server: int, tmp_path: Path) -> None:
    table = database(server, tmp_path)
    assert (table.count("run"), table.remove("run")) == (0, 0)
    with pytest.raises(StackError, match="no-table"):
        list(table.rows("run"))
