"""Sending the events of a run: as fast as Kafka takes them, or steadily while something restarts."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import clients
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from backbone.events.records import Record

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

_UNSETTLED = 20_000
_DELIVERY_TIMEOUT_S = clients.BULK_PRODUCER["delivery_timeout_ms"] / 1000


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


def send(client: Untyped, topic: str, records: Iterable[Record], unsettled: int = _UNSETTLED) -> int:
    """Send records and return how many, when the last of them is acknowledged.

    unsettled: how many wait for their acknowledgement at most, however many they are. Raises
    StackError("not-acknowledged") if one has none within the delivery timeout; no more is sent then.
    """
    sent, waiting = 0, deque[Untyped]()
    for record in records:
        waiting.append(client.send(topic, key=record.key, value=record.value))
        sent += 1
        if len(waiting) > unsettled:
            if not _is_acknowledged(waiting[0]):
                break
            waiting.popleft()
    client.flush(timeout=_DELIVERY_TIMEOUT_S)
    if failed := [future for future in waiting if not future.succeeded()]:
        raise StackError(
            "not-acknowledged",
            f"{len(failed)} of {sent} events for {topic} were not acknowledged",
            context=str(failed[0].exception),
            hint="./invoke status\n./invoke doctor",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return sent


def _is_acknowledged(future: Untyped) -> bool:
    """Wait for a record's acknowledgement and tell whether it came."""
    from kafka.errors import KafkaError  # noqa: PLC0415 - slow, see backbone.clients

    if not future.is_done:
        with suppress(KafkaError):
            future.get(timeout=_DELIVERY_TIMEOUT_S)
    return bool(future.succeeded())


@dataclass
class Steady:
    """Sends records one by one, `rate` a second, in a thread of its own, until its context ends.

    sent: how many, when it has ended.
    """

    bootstrap: Sequence[str]
    topic: str
    records: Iterator[Record]
    rate: float
    sent: int = 0
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
                self.sent = send(client, self.topic, self._due())
        except StackError as error:
            self._failure = error

    def _due(self) -> Iterator[Record]:
        due = time.monotonic()
        for record in self.records:
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            due += 1 / self.rate
            yield record
