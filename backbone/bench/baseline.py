"""What this machine does without Kafka, measured in the same session: latencies are multiples of it."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from backbone.bench.statistics import quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """Median and p99 of one elementary operation, in ns."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Floor:
    """sleep: how late a 1 ms sleep wakes. echo: a record there and back over loopback TCP, two threads.

    fsync: append a record to a file in the results folder and force it to disk.
    """

    sleep: Figure
    echo: Figure
    fsync: Figure


def measure(folder: Path, size: int, *, count: int = 500) -> Floor:
    """Measure the floor for records of `size` bytes, `count` times each (about two seconds in all)."""
    return Floor(sleep=_sleep(count), echo=_echo(size, count), fsync=_fsync(folder, size, count))


def _timed(operation: Callable[[], object], count: int) -> list[int]:
    times = []
    for _ in range(count):
        before = time.monotonic_ns()
        operation()
        times.append(time.monotonic_ns() - before)
    return times


def _figure(times: Sequence[int]) -> Figure:
    ordered = sorted(map(float, times))
    return Figure(quantile(ordered, 0.5), quantile(ordered, 0.99))


def _sleep(count: int) -> Figure:
    return _figure([elapsed - 1_000_000 for elapsed in _timed(lambda: time.sleep(0.001), count)])


def _echo(size: int, count: int) -> Figure:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=_answer, args=(server, size), daemon=True)
        answering.start()
        with socket.create_connection(server.getsockname()) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            record = bytes(size)
            times = _timed(lambda: _round_trip(client, record), count)
        answering.join()
    return _figure(times)


def _round_trip(client: socket.socket, record: bytes) -> None:
    client.sendall(record)
    _read(client, len(record))


def _answer(server: socket.socket, size: int) -> None:
    connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while record := _read(connection, size):
            connection.sendall(record)


def _read(connection: socket.socket, size: int) -> bytes:
    """Return `size` bytes, or nothing once the other side has closed."""
    parts, missing = [], size
    while missing and (part := connection.recv(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _fsync(folder: Path, size: int, count: int) -> Figure:
    folder.mkdir(parents=True, exist_ok=True)
    record = os.urandom(size)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        return _figure(_timed(lambda: _append(file, record), count))


def _append(file: IO[bytes], record: bytes) -> None:
    file.write(record)
    os.fsync(file.fileno())
