"""Ownership of long-running processes: by pid and start, never by name.

Each service has a file with the identity of its process, written as soon as it runs. A task that is killed between
the two leaves a process that still carries OWNER in its environment, and `orphans` finds it by that.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping, Sequence

OWNER = "MESSAGING_BACKBONE_SERVICE"
_SEPARATOR = "::"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STAT = "/proc/{}/stat"
_START_FIELD = 22 - 3  # proc(5): starttime is field 22; the two before the state end with the name in parentheses
_MAX_RECORD = 1 << 20  # bytes
_TOO_LARGE = 1 << 63


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process it is. started: when, by a clock that nobody sets (see `_started`)."""

    pid: int
    started: str

    @classmethod
    def of(cls, raw: Any) -> Identity:
        """Return the identity that asdict has written; ValueError, TypeError or KeyError for what is none."""
        pid, started = raw["pid"], raw["started"]
        if type(pid) is not int or not 0 < pid < _TOO_LARGE or not isinstance(started, str):
            raise ValueError(f"no process is {pid!r}, {started!r}")
        return cls(pid, started)


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of a service's process.

    stopping: it was told to end, so its end is no accident. log: what its log held before this start, None unknown.
    """

    identity: Identity
    stopping: bool = False
    log: LogMark | None = None


@dataclass(frozen=True, slots=True)
class LogMark:
    """The end of a log at some moment: which file it was (its inode) and its size in bytes."""

    inode: int
    size: int

    @classmethod
    def of(cls, log: Path) -> LogMark:
        """Return the end of a log as it is now; of one that is not there, the beginning."""
        try:
            found = log.stat()
        except OSError:
            return cls(0, 0)
        return cls(found.st_ino, found.st_size)


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path, record: Path, log: Path, owner: str
) -> Identity:
    """Start a process that outlives this one and write down who it is, and where its log ended before.

    Its output goes to a file begun again, nothing is inherited, and a Ctrl-C here does not reach it.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    mark = LogMark.of(log)
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
    identity = Identity(child.pid, _started(psutil.Process(child.pid)))
    child.returncode = 0  # nobody waits for it here (see `reap`), so Popen need not warn that it still runs
    adopt(record, Record(identity, log=mark))
    return identity


def adopt(record: Path, found: Record) -> None:
    """Write down who runs a service, in one step."""
    durable_file.replace(record, json.dumps(asdict(found)), mode=0o600)


def mark_stopping(path: Path, identity: Identity) -> None:
    """Write down that a service's process is told to end: if this task is killed, that end is still no accident."""
    known = read(path)
    adopt(path, replace(known if known and known.identity == identity else Record(identity), stopping=True))


def read(path: Path) -> Record | None:
    """Return the record in a file, None without one; a file that says no such thing counts as none."""
    try:
        raw = json.loads(reading.read_text(path, _MAX_RECORD))
        log = None if raw["log"] is None else LogMark(raw["log"]["inode"], raw["log"]["size"])
        found = Record(Identity.of(raw["identity"]), bool(raw["stopping"]), log)
    except (StackError, *reading.NONSENSE):
        return None
    numbers = (log.inode, log.size) if log else ()
    return found if all(type(number) is int and 0 <= number < _TOO_LARGE for number in numbers) else None


def identify(process: psutil.Process) -> Identity:
    """Return the identity of a process; psutil.NoSuchProcess if it has ended."""
    return Identity(process.pid, _started(process))


def find(identity: Identity | None) -> psutil.Process | None:
    """Return the process if it still runs (a zombie does not), None if it ended or its pid is another's now."""
    if identity is None:
        return None
    try:
        process = psutil.Process(identity.pid)
        return process if _started(process) == identity.started and not has_ended(process) else None
    except (psutil.Error, OverflowError):
        return None


def of_this_boot(identity: Identity) -> bool:
    """Tell whether a process was started since this machine was; True where that cannot be known."""
    boot = _boot()
    return not boot or identity.started.startswith(f"boot {boot} ")


def uptime(process: psutil.Process) -> float:
    """Return for how many seconds a process has run, whatever became of the wall clock meanwhile."""
    ticks = _ticks(process.pid)
    if ticks is None:
        return max(0.0, time.time() - process.create_time())
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def _started(process: psutil.Process) -> str:
    """Return when a process started: the boot and the ticks since, or the time that the kernel wrote down.

    On Linux a time of the day is made of the ticks each time somebody asks, so a step of the wall clock changes it.
    macOS keeps the time of the start itself.
    """
    ticks = _ticks(process.pid)
    if ticks is None:
        return f"at {process.create_time():.6f}"
    return f"boot {_boot()} tick {ticks}"


def _ticks(pid: int) -> int | None:
    """Return the clock ticks from boot to the start of a process, None where there is no /proc."""
    if not _boot():
        return None
    try:
        with open(_STAT.format(pid), "rb") as file:  # noqa: PTH123 - read in a loop over all processes
            fields = file.read().rpartition(b")")[2].split()
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    return int(fields[_START_FIELD])


@functools.cache
def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


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
                yield owner, identify(process)


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal; a process that has just ended is no error, one of another user is."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise StackError(
            "not-our-process",
            f"process {process.pid} belongs to another user",
            context=str(error),
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def reap(pid: int) -> None:
    """Collect the exit status of a process if it is a child of this one, so that no zombie stays."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def listeners(process: psutil.Process) -> list[tuple[str, int]]:
    """Return the (address, port) pairs a process listens on; a JVM's IPv6 socket for an IPv4 address counts as that."""
    with suppress(psutil.Error):
        return sorted(
            (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
            for connection in process.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        )
    return []


def name_owner(folder: Path | str, service: str) -> str:
    """Return what the process of a home's service carries, so that it is known without a record."""
    return f"{folder}{_SEPARATOR}{service}"


def split_owner(owner: str) -> tuple[str, str]:
    """Return the folder and the service that an owner names, ("", "") for none."""
    folder, _, service = owner.rpartition(_SEPARATOR)
    return (folder, service) if folder else ("", "")


def owner(process: psutil.Process) -> str:
    """Return the service of which checkout `spawn` started a process for, empty for one of another program."""
    try:
        return process.environ().get(OWNER, "")
    except (psutil.Error, OSError):
        return ""


def listens_on(port: int, host: str = "") -> psutil.Process | None:
    """Return the process that listens on a TCP port, as far as this user may know; None if nobody is seen to.

    host: of the addresses that have this port, the one that is meant: each broker has its own. "", or a name: any.
    """
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not (connection.laddr and connection.pid):
                continue
            if connection.laddr.port == port and _covers(connection.laddr.ip, host):
                return psutil.Process(connection.pid)
    return None


def _covers(listening: str, host: str) -> bool:
    """Tell whether who listens on an address has a host, which may be a name or "", for any."""
    own = listening.removeprefix("::ffff:")
    return own in (host, "0.0.0.0", "::") or not host.replace(".", "").isdigit()  # noqa: S104 - all: that one too


def port_owner(port: int, host: str = "") -> str:
    """Say who listens on a TCP port (of an address), as far as this user may know."""
    if found := listens_on(port, host):
        return f"pid {found.pid} ({owner(found) or ' '.join(arguments(found))[:80]})"
    return "a process of another user"
