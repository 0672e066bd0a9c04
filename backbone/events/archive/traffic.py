"""Sending the events of a run: as fast as Kafka takes them, or steadily while something restarts."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import clients
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from backbone.events.records import Codec, Record

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

_DELIVERY_TIMEOUT_MS = clients.BULK_PRODUCER["delivery_timeout_ms"]


@contextmanager
def producer(bootstrap: Sequence[str]) -> Iterator[Untyped]:
    """Yield a producer that outlives the loss of a broker.

    Raises StackError("no-broker"), or "not-sent" for whatever the client cannot hand to a broker at all.
    """
    with clients.errors_as("not-sent", f"Kafka at {', '.join(bootstrap)} does not take events"):
        client = clients.producer(bootstrap, **clients.BULK_PRODUCER)
        try:
            yield client
        finally:
            client.close(timeout=10)


def send(client: Untyped, topic: str, records: Iterable[Record]) -> int:
    """Send records and return how many, when the last of them is acknowledged.

    Raises StackError("not-acknowledged") if one was not within the delivery timeout.
    """
    futures = [client.send(topic, key=record.key, value=record.value) for record in records]
    client.flush(timeout=_DELIVERY_TIMEOUT_MS / 1000)
    acknowledged(futures, topic)
    return len(futures)


def acknowledged(futures: Sequence[Untyped], topic: str) -> None:
    """Raise StackError("not-acknowledged") if one of the sends failed or is still open."""
    failed = [future for future in futures if not future.succeeded()]
    if failed:
        raise StackError(
            "not-acknowledged",
            f"{len(failed)} of {len(futures)} events for {topic} were not acknowledged",
            context=str(failed[0].exception),
            hint="./invoke status\n./invoke doctor",
            exit_code=ExitCode.ENVIRONMENT,
        )


@dataclass
class Steady:
    """Sends events one by one, `rate` a second, in a thread of its own, until its context ends."""

    bootstrap: Sequence[str]
    topic: str
    events: Iterator[dict[str, Any]]
    codec: Codec
    rate: float
    sent: list[dict[str, Any]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _failure: StackError | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send during the context; at its end wait for every acknowledgement, or raise what kept one away."""
        thread = threading.Thread(target=self._run, name="traffic")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            with producer(self.bootstrap) as client:
                futures = list(self._send_all(client))
                client.flush(timeout=_DELIVERY_TIMEOUT_MS / 1000)
                acknowledged(futures, self.topic)
        except StackError as error:
            self._failure = error

    def _send_all(self, client: Untyped) -> Iterator[Untyped]:
        due = time.monotonic()
        for event in self.events:
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            due += 1 / self.rate
            record, _ = self.codec.record(event)
            if record is not None:
                self.sent.append(event)
                yield client.send(self.topic, key=record.key, value=record.value)
