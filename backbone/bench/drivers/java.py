"""Kafka's own Java client: BenchClient.java, compiled once, in a JVM of its own for each end of a run.

Parent and JVM speak big-endian over its stdin and stdout. To the JVM: what the run is, then `p` (tell your clock), `s`
and a time (start), and to a consumer the number of records to expect. From it: `R` (ready), a time for each ping, then
`D` with CPU seconds, counts by name and the columns of times, or `F` with a stack trace.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import struct
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from backbone import client_properties
from backbone.bench import records
from backbone.bench.drivers import settings
from backbone.bench.drivers.base import Driver
from backbone.bench.run import failure, silent
from backbone.bench.worker import Received, Sent
from backbone.clients import CONSUMER, PRODUCER
from backbone.stack.engine.embedded import plugin_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backbone.bench.drivers.kafka_python import KafkaTarget
    from backbone.bench.reference import Java
    from backbone.bench.run import Role
    from backbone.bench.worker import Job

SOURCE = Path(__file__).with_name("BenchClient.java")
_CLASS = "backbone.bench.BenchClient"
_CLIENTS = "kafka-clients-"
_ANSWER_S = 30.0
_LAST_WORDS = 1000
_SERIALIZATION = "org.apache.kafka.common.serialization.ByteArray"


@dataclass(slots=True)
class JavaWorker:
    """A JVM with one end of a run."""

    name: Role
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    _buffer: bytearray = field(default_factory=bytearray)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def ready(self, timeout: float) -> None:
        """Wait until its client is connected."""
        self._kind(timeout)

    def clock(self) -> int:
        """Ask for its clock."""
        self._send(b"p")
        (now,) = struct.unpack(">q", self._read(8, _ANSWER_S))
        return int(now)

    def start(self, at: int) -> None:
        """Send the start."""
        self._send(b"s" + struct.pack(">q", at))

    def expect(self, count: int) -> None:
        """Send the number."""
        self._send(struct.pack(">q", count))

    def outcome(self, timeout: float) -> Sent | Received:
        """Return what it saw."""
        self._kind(timeout)
        (cpu,) = struct.unpack(">d", self._read(8, _ANSWER_S))
        counts = Counter({self._text(): self._int() for _ in range(self._int())})
        if self.name == "producer":
            intended, actual, acked = (self._column() for _ in range(3))
            return Sent(intended, actual, acked, counts, cpu)
        sequence, intended, actual, received = (self._column() for _ in range(4))
        return Received(sequence, intended, actual, received, counts["damaged"], cpu)

    def _kind(self, timeout: float) -> None:
        if self._read(1, timeout) == b"F":
            raise failure(self.name, self._text())

    def _text(self) -> str:
        return self._read(self._int(), _ANSWER_S).decode(errors="replace")

    def _int(self) -> int:
        (number,) = struct.unpack(">i", self._read(4, _ANSWER_S))
        return int(number)

    def _column(self) -> array[int]:
        column = array("q", self._read(8 * self._int(), _ANSWER_S))
        return _big_endian(column)

    def _send(self, data: bytes) -> None:
        assert self.process.stdin is not None  # noqa: S101 - it was opened with a pipe
        with contextlib.suppress(BrokenPipeError):  # it has died: the next read tells why
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def _read(self, count: int, timeout: float) -> bytes:
        assert self.process.stdout is not None  # noqa: S101 - it was opened with a pipe
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            while len(self._buffer) < count:
                if not waiting.select(max(0.0, deadline - time.monotonic())):
                    raise failure(self.name, silent(timeout))
                received = os.read(self.process.stdout.fileno(), 1 << 16)
                if not received:
                    raise failure(self.name, self._last_words())
                self._buffer += received
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _last_words(self) -> str:
        self.process.wait()
        self.errors.seek(0)
        words = self.errors.read().decode(errors="replace").strip()
        return f"it ended with {self.process.returncode}: {words[-_LAST_WORDS:]}"


def driver(java: Java, compiler: Path, cache: Path) -> Driver:
    """Return the Java client; BenchClient.java is compiled into the cache the first time.

    Raises StackError("plugin-source") if it can't be compiled.
    """
    made = plugin_source.jar(plugin_source.JavaSource((SOURCE,)), compiler=compiler, classpath=java.jars, cache=cache)
    clients = next((jar.stem for jar in java.jars if jar.name.startswith(_CLIENTS)), "")
    with_ours = replace(java, jars=[*java.jars, made])
    return Driver("java", clients.removeprefix(_CLIENTS), start=partial(worker, with_ours))


@contextlib.contextmanager
def worker(java: Java, role: Role, job: Job) -> Iterator[JavaWorker]:
    """Start a JVM with one end of a job; it is gone when the block ends, however it ends."""
    argv = java.command(_CLASS, "produce" if role == "producer" else "consume")
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        try:
            made = JavaWorker(role, process, errors)
            made._send(b"".join(told(role, job)))  # noqa: SLF001 - the first of what it is sent
            yield made
        finally:
            process.kill()


def told(role: Role, job: Job) -> Iterator[bytes]:
    """Yield what a JVM is told before it connects: client settings, topic, run, and to a producer what to send."""
    target: KafkaTarget = job.target  # type: ignore[assignment]  # only Kafka's topics have a Java client
    yield _counted(_properties(role, target).encode())
    yield _counted(target.topic.encode())
    grace = int(job.grace * 1e9)
    yield struct.pack(">i??qq", target.partitions, target.spread == "turns", bool(target.group), job.run, grace)
    if role == "producer":
        yield _counted(records.Encoder(job.run, job.load.size, job.load.seed).filler)
        offsets = job.load.offsets()
        yield struct.pack(">i", len(offsets)) + _big_endian(array("q", offsets)).tobytes()
        yield struct.pack(">i", max(1, job.unacknowledged // job.load.size))


def _properties(role: Role, target: KafkaTarget) -> str:
    """Return the client's settings in the form of java.util.Properties."""
    identity = client_properties.java(client_properties.current())
    bootstrap = {"bootstrap.servers": ",".join(target.bootstrap), **identity}
    if role == "producer":
        kind = "Serializer"
        # The client's own limit would make send() wait; how much may be on its way is limited by the run itself.
        own = {"buffer.memory": str(1 << 28), **settings.java({**PRODUCER, **target.producer}, consumer=False)}
    else:
        kind = "Deserializer"
        own = settings.java({**CONSUMER, **target.consumer}, consumer=True)
        own |= {"group.id": target.group} if target.group else {}
    classes = {f"{part}.{kind.lower()}": f"{_SERIALIZATION}{kind}" for part in ("key", "value")}
    return _lines({**bootstrap, **own, **classes}.items())


def _lines(entries: Iterable[tuple[str, Any]]) -> str:
    return "".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in entries)


def _counted(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def _big_endian(column: array[int]) -> array[int]:
    """Swap the bytes of a column on a little-endian machine; the same call reads and writes."""
    if sys.byteorder == "little":
        column.byteswap()
    return column
