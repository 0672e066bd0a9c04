"""A stand-in for Kafka with known faults: a TCP server that acknowledges, forwards and can be slow.

The self-tests measure it with the same processes that measure Kafka, and check that what was planted is
found. A frame is a 4-byte length and that many bytes; an acknowledgement is the 8-byte sequence number.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import selectors
import signal
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.bench import records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection

    from backbone.bench.target import Acknowledged, Failed

_LENGTH = struct.Struct(">I")
_SEQUENCE = struct.Struct(">Q")
_PRODUCER, _CONSUMER = b"P", b"C"
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Faults:
    """What the stub does wrong: every `every`-th record is held back `held` seconds (0: none is)."""

    every: int = 0
    held: float = 0.0


@dataclass(frozen=True, slots=True)
class EchoTarget:
    """The stub at a port here. send_cost: seconds the client burns a record, to saturate the sender."""

    port: int
    send_cost: float = 0.0

    def sink(self, acknowledged: Acknowledged, failed: Failed) -> EchoSink:
        """Return a connection that sends."""
        del failed  # the stub loses nothing
        return EchoSink(self._connect(_PRODUCER), acknowledged, self.send_cost)

    def source(self) -> EchoSource:
        """Return a connection that receives."""
        return EchoSource(self._connect(_CONSUMER))

    def _connect(self, role: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(None)
        connection.sendall(role)
        if connection.recv(1) != role:
            raise ConnectionError("the echo stub did not answer")
        return connection


class EchoSink:
    """Sends frames; a thread reads the acknowledgements."""

    def __init__(self, connection: socket.socket, acknowledged: Acknowledged, cost: float) -> None:
        self._connection, self._cost, self._acknowledged = connection, cost, acknowledged
        self._sent = self._acked = 0
        self._all_in = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, sequence: int, record: bytes) -> None:
        """Send one frame, burning what the planted cost says first."""
        del sequence  # the record carries it
        until = time.monotonic() + self._cost
        while time.monotonic() < until:
            pass
        self._sent += 1
        self._connection.sendall(_LENGTH.pack(len(record)) + record)

    def _read(self) -> None:
        buffered = b""
        while received := self._connection.recv(_CHUNK):
            buffered += received
            whole = len(buffered) - len(buffered) % _SEQUENCE.size
            for (sequence,) in _SEQUENCE.iter_unpack(buffered[:whole]):
                self._acknowledged(sequence)
                self._acked += 1
            buffered = buffered[whole:]
            self._all_in.set()

    def flush(self, timeout: float) -> None:
        """Wait for the last acknowledgement."""
        deadline = time.monotonic() + timeout
        while self._acked < self._sent and (left := deadline - time.monotonic()) > 0:
            self._all_in.wait(left)
            self._all_in.clear()

    def close(self) -> None:
        """Close the connection and end its thread."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._connection.close()


class EchoSource:
    """Receives frames."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffered = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)

    def poll(self, timeout: float) -> Iterable[bytes]:
        """Return the frames that are complete."""
        if not self._selector.select(timeout):
            return ()
        self._buffered += self._connection.recv(_CHUNK)
        return self._frames()

    def _frames(self) -> Iterator[bytes]:
        at = 0
        while len(self._buffered) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffered, at)
            if len(self._buffered) - at - _LENGTH.size < length:
                break
            at += _LENGTH.size + length
            yield self._buffered[at - length : at]
        self._buffered = self._buffered[at:]

    def close(self) -> None:
        """Close the connection."""
        self._selector.close()
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Stub:
    """A running stub: where it listens, and its process for those who want to stop it for a while."""

    port: int
    pid: int


@contextlib.contextmanager
def serving(faults: Faults | None = None) -> Iterator[Stub]:
    """Run the stub in a process of its own for the length of the block."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_main, args=(theirs, faults or Faults()), name="bench-echo", daemon=True)
    process.start()
    theirs.close()
    try:
        yield Stub(port=ours.recv(), pid=process.pid or 0)
    finally:
        process.kill()
        process.join()
        ours.close()


def _main(conn: Connection, faults: Faults) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    asyncio.run(_Server(faults).run(conn))


class _Server:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._consumers: list[asyncio.StreamWriter] = []

    async def run(self, conn: Connection) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        conn.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        role = await reader.readexactly(1)
        if role == _CONSUMER:
            self._consumers.append(writer)
        writer.write(role)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                self._accept(await reader.readexactly(length), writer)

    def _accept(self, record: bytes, producer: asyncio.StreamWriter) -> None:
        stamp = records.decode(record)
        if stamp is None:
            raise ValueError("the echo stub got a damaged record")
        if self._faults.every and stamp.sequence % self._faults.every == 0:
            loop = asyncio.get_running_loop()
            loop.call_later(self._faults.held, self._pass_on, stamp.sequence, record, producer)
        else:
            self._pass_on(stamp.sequence, record, producer)

    def _pass_on(self, sequence: int, record: bytes, producer: asyncio.StreamWriter) -> None:
        producer.write(_SEQUENCE.pack(sequence))
        for consumer in self._consumers:
            consumer.write(_LENGTH.pack(len(record)) + record)
