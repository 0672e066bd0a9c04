"""PostgreSQL within reach: the password goes by file, never by argument, variable or output."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack import endpoints, postgres
from backbone.stack.engine.embedded.runtimes.postgres import packaged_client
from backbone.stack.postgres import Server
from backbone.stack.settings import Settings
from tests import ROOT

AWKWARD = r"p:a\ss/w@rd"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    file = tmp_path / "postgres_password"
    file.write_text(AWKWARD, encoding="utf-8")
    return Server("127.0.0.1", 5432, "events", "backbone", file)


def test_its_place_is_what_the_compose_block_says(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "POSTGRES_PORT": "15432", "POSTGRES_DB": "d", "SECRETS_DIR": str(tmp_path)}
    found = postgres.server(endpoints.model(Settings(ROOT, environ)))
    assert found == Server("127.0.0.1", 15432, "d", "backbone", tmp_path / "postgres_password")


def test_the_password_file_is_libpqs_and_nobody_elses(server: Server, tmp_path: Path) -> None:
    file = server.passfile(tmp_path / "state")
    assert file.read_text(encoding="utf-8") == "127.0.0.1:5432:events:backbone:p\\:a\\\\ss/w@rd\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = file.stat().st_ino
    assert server.passfile(tmp_path / "state").stat().st_ino == made
    server.password_file.write_text("new", encoding="utf-8")
    assert server.passfile(tmp_path / "state").read_text(encoding="utf-8").endswith(":new\n")


def test_a_password_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        Server("127.0.0.1", 1, "d", "u", tmp_path / "none").passfile(tmp_path)
    assert (caught.value.reference, caught.value.exit_code) == ("no-password-file", ExitCode.ENVIRONMENT)
    assert not (tmp_path / "pgpass").exists()


def test_urls_carry_the_file_or_on_request_the_password(server: Server) -> None:
    assert server.url() == "postgresql://backbone@127.0.0.1:5432/events"
    assert server.url(passfile=Path("/a b/pgpass")).endswith("/events?passfile=/a%20b/pgpass")
    assert server.url(password=AWKWARD) == "postgresql://backbone:p%3Aa%5Css%2Fw%40rd@127.0.0.1:5432/events"


def test_the_password_is_in_no_argument_and_no_variable(server: Server, tmp_path: Path) -> None:
    argv, environment = postgres.command(Path("psql"), server, server.passfile(tmp_path), "SELECT 1")
    assert argv[-2:] == ["--command", "SELECT 1"]
    assert AWKWARD not in f"{argv}{environment}"
    assert environment["PGPASSFILE"] == str(tmp_path / "pgpass")
    assert "PGPASSWORD" not in environment


def test_a_database_that_is_away_is_told_with_the_command_that_starts_it(server: Server) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        away = Server("127.0.0.1", free.getsockname()[1], server.name, server.user, server.password_file)
        with pytest.raises(StackError) as caught:
            away.demand()
        assert caught.value.reference == "database-unreachable"
        assert "--profile data" in str(caught.value.hint)
        free.listen()
        away.demand()


def test_the_package_has_a_psql_that_runs() -> None:
    program = packaged_client()
    assert program is not None
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("psql (PostgreSQL)")


def test_a_psql_of_the_machine_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "psql"
    own.write_text("#!/bin/sh\n", encoding="utf-8")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert postgres.client() == own
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert postgres.client() == packaged_client()


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["SELECT 1;\n"], ["SELECT 1;"]),
        (["SELECT\n", "1;\n", "SELECT 2"], ["SELECT\n1;", "SELECT 2"]),
        (["SELECT 1;\n", "\\q\n", "SELECT 2;\n"], ["SELECT 1;"]),
        (["\n"], []),
    ],
)
def test_statements_end_with_a_semicolon_at_the_end_of_a_line(lines: list[str], found: list[str]) -> None:
    assert list(postgres.statements(lines)) == found


@dataclass
class FakeColumn:
    name: str


@dataclass
class FakeDatabase:
    """A connection and its cursor, for the two kinds of statements there are."""

    description: list[FakeColumn] | None = None
    statusmessage: str | None = None

    def execute(self, sql: str) -> FakeDatabase:
        selects = sql.startswith("SELECT")
        return FakeDatabase([FakeColumn("n")] if selects else None, "SELECT 1" if selects else "INSERT 0 1")

    def fetchall(self) -> list[tuple[Any, ...]]:
        assert self.description
        return [(1,)]


def test_rows_and_what_was_done_are_given_back() -> None:
    assert postgres.execute(FakeDatabase(), "SELECT 1;") == (["n"], [(1,)], "SELECT 1")
    assert postgres.execute(FakeDatabase(), "INSERT INTO t VALUES (1);") == ((), (), "INSERT 0 1")
