"""What is checked before anything starts: addresses and ports, disk, memory, writable folders."""

from __future__ import annotations

import errno
import resource
import shlex
import shutil
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import psutil

from backbone.addresses import listeners
from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded import process
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from backbone.stack.engine.embedded.local_service import LocalService

MIN_OPEN_FILES = 1024
"""Files that a process must be allowed to open; a JVM raises its limit up to the hard one. A broker that cannot open a
segment stops (Kafka's operations guide wants 100,000 for a large one)."""

MIN_FREE_DISK = 1 << 30
"""Bytes that must be free where the data goes: below it a broker soon takes its log directory offline."""

_ENDS_S, _POLL_S = 2.0, 0.05  # so long a large process may take to end, on a busy machine

_EXPECTED_RSS = 450 << 20  # bytes a JVM service of this stack takes under load, measured (docs/performance.md)


class DiskUsage(Protocol):
    """What shutil.disk_usage returns, as far as it is asked for."""

    @property
    def free(self) -> int:
        """Bytes that this user may still write."""


def check(
    starting: Sequence[LocalService],
    *,
    stopping: Sequence[LocalService] = (),
    held: Collection[tuple[str, int]] = (),
    disk_usage: Callable[[Path], DiskUsage] = shutil.disk_usage,
    available_memory: Callable[[], int] = lambda: psutil.virtual_memory().available,
    open_files: Callable[[], int] | None = None,
) -> None:
    """Raise at the first thing that would make these services fail to start. Disk and memory are in bytes.

    stopping: those of them that run now, and stop before they start. held: the addresses that they give back then.
    """
    _check_ports(starting, held)
    _check_open_files(starting, (open_files or open_files_limit)())
    for local in starting:
        for folder in local.data_dirs():
            make_folder(folder)
            _check_disk(folder, disk_usage(folder).free)
    _check_memory([local for local in starting if local not in stopping], available_memory())


def open_files_limit() -> int:
    """Return how many files a process of this user may open at most (RLIMIT_NOFILE, hard)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _check_open_files(starting: Sequence[LocalService], limit: int) -> None:
    if starting and limit < MIN_OPEN_FILES:
        raise StackError(
            "open-files",
            f"a process may open {limit} files on this machine, and a broker needs {MIN_OPEN_FILES} or more",
            context=f"the hard limit of `ulimit -n` is {limit}",
            hint="raise it (nofile in /etc/security/limits.conf, LimitNOFILE of a unit), and log in again\nulimit -Hn",
            exit_code=ExitCode.ENVIRONMENT,
        )


def make_folder(folder: Path) -> None:
    """Make a folder and see that it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".write-probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _disk_full(folder, 0) from error
        raise StackError(
            "folder-not-writable",
            f"cannot write to {folder}",
            context=str(error),
            hint=f"ls -ld {shlex.quote(str(folder))}\nor set DEFAULT_MESSAGE_BROKER_DIR in .env to a folder of yours",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def _check_ports(starting: Sequence[LocalService], held: Collection[tuple[str, int]]) -> None:
    _check_twice(starting)
    taken = taken_addresses(starting, held)
    if any(_ends(host, port) for _, host, port in taken):
        with suppress(StackError):
            wait_until(
                lambda: not taken_addresses(starting, held), what="free ports", timeout=_ENDS_S, interval=_POLL_S
            )
        taken = taken_addresses(starting, held)
    if not taken:
        return
    rows = [
        f"{host}:{port} of {local.service.name} is taken by {process.port_owner(port, host)}"
        for local, host, port in taken
    ]
    raise StackError(
        "port-in-use",
        f"{len(taken)} address{'es' if len(taken) > 1 else ''} of the stack can't be bound",
        context="\n".join(rows),
        hint="move every port of this checkout's .env\n./invoke ports --shift 1000\n./invoke up",
        exit_code=ExitCode.ENVIRONMENT,
    )


def _ends(host: str, port: int) -> bool:
    """Tell whether who has a port may be ending: a process that ends loses its name first and its sockets last."""
    found = process.listens_on(port, host)
    return not (found and process.arguments(found))


def taken_addresses(
    starting: Sequence[LocalService], held: Collection[tuple[str, int]] = ()
) -> list[tuple[LocalService, str, int]]:
    """Return the (service, address, port) that cannot be bound now, less those in held: they will be given back."""
    return [
        (local, host, port)
        for local in starting
        for host, port in wanted_addresses(local)
        if (host, port) not in held and not _bindable(host, port)
    ]


def _check_twice(starting: Sequence[LocalService]) -> None:
    wanted: dict[tuple[str, int], list[str]] = {}
    for local in starting:
        for address in wanted_addresses(local):
            wanted.setdefault(address, []).append(local.service.name)
    for (host, port), names in wanted.items():
        if len(names) > 1:
            raise StackError(
                "port-twice",
                f"{', '.join(names)} would all listen on {host}:{port}",
                hint="give each its own port in .env",
                exit_code=ExitCode.USAGE,
            )


def wanted_addresses(local: LocalService) -> Iterator[tuple[str, int]]:
    """Yield the (address, port) pairs a service will listen on."""
    seen = set()
    for one in listeners(local.environment.get("KAFKA_LISTENERS", "")).values():
        seen.add(one.port)
        yield local.hosts.get(one.host, one.host), one.port
    for address in local.service.embedded.get("listens") or ():
        name, _, number = str(address).rpartition(":")
        yield local.hosts.get(name, name), int(number)
    for published in local.service.ports:
        if published.target not in seen:
            yield published.host_ip, published.published


def _bindable(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if never := unusable(host, port, error):
                raise never from error
            return False
    return True


def unusable(host: str, port: int, error: OSError) -> StackError | None:
    """Say why an address can never be listened on here, by what a bind to it raised; None: somebody has it now."""
    if error.errno == errno.EADDRNOTAVAIL:
        return StackError(
            "no-loopback-address",
            f"this machine has no address {host}",
            hint="set BIND_ADDRESS in .env to an address of this machine, such as 127.0.0.1",
            exit_code=ExitCode.ENVIRONMENT,
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return StackError(
            "port-privileged",
            f"this user may not listen on {host}:{port}",
            context=f"{error.strerror}: ports below 1024 are root's on most machines",
            hint="set a port from 1024 in .env\n./invoke ports",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return None


def _check_disk(folder: Path, free: int) -> None:
    if free < MIN_FREE_DISK:
        raise _disk_full(folder, free)


def _disk_full(folder: Path, free: int) -> StackError:
    return StackError(
        "disk-full",
        f"{free >> 20} MiB are free for {folder}, at least {MIN_FREE_DISK >> 20} MiB are needed",
        hint=f"df -h {shlex.quote(str(folder))}\n"
        "then free some, or set DEFAULT_MESSAGE_BROKER_DIR in .env to a larger disk",
        exit_code=ExitCode.ENVIRONMENT,
    )


def _check_memory(starting: Sequence[LocalService], available: int) -> None:
    needed = len(starting) * _EXPECTED_RSS
    if needed > available:
        raise StackError(
            "memory-short",
            f"{len(starting)} services need about {needed >> 20} MiB, {available >> 20} MiB are available",
            context=f"{len(starting)} × {_EXPECTED_RSS >> 20} MiB = {needed >> 20} MiB",
            hint="close something large, or start fewer profiles",
            exit_code=ExitCode.ENVIRONMENT,
        )
