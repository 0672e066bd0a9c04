"""Ownership of long-running processes: by pid and start time, never by name.

Each service has a file with the identity of its process, written as soon as it runs. A task that is killed between
the two leaves a process that still carries OWNER in its environment, and `orphans` finds it by that.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

from backbone.errors import StackError

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

OWNER = "MESSAGING_BACKBONE_SERVICE"
_SAME_START_S = 0.05  # create_time is exact but for rounding in the file


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process it is; started in seconds since the epoch, as the kernel says it."""

    pid: int
    started: float


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path, record: Path, owner: str
) -> Identity:
    """Start a process that outlives this one and write down who it is.

    Its output goes to a file begun again, nothing is inherited, and a Ctrl-C here does not reach it.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as out:
        child = subprocess.Popen(
            list(argv),
            env={**env, OWNER: owner},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    identity = Identity(child.pid, psutil.Process(child.pid).create_time())
    child.returncode = 0  # nobody waits for it here (see `reap`), so Popen need not warn that it still runs
    adopt(record, identity)
    return identity


def adopt(record: Path, identity: Identity) -> None:
    """Write down who runs a service, in one step."""
    partial = record.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(identity)), encoding="utf-8")
    partial.replace(record)


def read(record: Path) -> Identity | None:
    """Return the identity in a file, None without one; a file that cannot be read counts as none."""
    try:
        return Identity(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def find(identity: Identity | None) -> psutil.Process | None:
    """Return the process if it still runs (a zombie does not), None if it ended or its pid is another's now."""
    if identity is None:
        return None
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.started) < _SAME_START_S
        return process if same and not has_ended(process) else None
    except psutil.NoSuchProcess:
        return None


def has_ended(process: psutil.Process) -> bool:
    """Tell whether nothing of a process runs any more.

    A JVM's first thread ends before its others: a zombie with threads still holds its ports.
    """
    try:
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True


def arguments(process: psutil.Process) -> list[str]:
    """Return a process's command line, empty for one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def orphans(owner_prefix: str) -> Iterator[tuple[str, Identity]]:
    """Yield (owner, identity) of every process of this user that `spawn` started for an owner with that prefix.

    Only leaders of a session: their own children carry the same environment.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.uids().real != os.getuid() or os.getsid(process.pid) != process.pid:
                continue
            owner = process.environ().get(OWNER, "")
            if owner.startswith(owner_prefix) and process.status() != psutil.STATUS_ZOMBIE:
                yield owner, Identity(process.pid, process.create_time())


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal; a process that has just ended is no error, one of another user is."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise StackError(
            "not-our-process", f"process {process.pid} belongs to another user", context=str(error)
        ) from error


def reap(pid: int) -> None:
    """Collect the exit status of a process if it is a child of this one, so that no zombie stays."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def listeners(process: psutil.Process) -> list[tuple[str, int]]:
    """Return the (address, port) pairs a process listens on."""
    with suppress(psutil.Error):
        return sorted(
            (connection.laddr.ip, connection.laddr.port)
            for connection in process.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        )
    return []


def port_owner(port: int) -> str:
    """Say who listens on a TCP port, as far as this user may know."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                process = psutil.Process(connection.pid)
                owner = process.environ().get(OWNER)
                return f"pid {process.pid} ({owner or ' '.join(process.cmdline())[:80]})"
    return "a process of another user"
