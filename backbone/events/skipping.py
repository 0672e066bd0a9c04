"""Skipping one record by hand that a sink has failed at: it goes to the dead letters, and the sink on behind it.

For what our sink does not put aside itself, because it would be so for every record. Killed anywhere and started
again, this goes on; the record is copied before the offset moves, and no other record is passed.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.events.connectors import deployment
from backbone.events.connectors.causes import explain
from backbone.events.dead_letters import Place
from backbone.events.replaying import LARGEST, sendable
from backbone.wait import CLOCK, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from backbone.events.connectors.files import Connector
    from backbone.events.connectors.worker import Worker
    from backbone.wait import Clock

Untyped: TypeAlias = Any
"""A value of kafka-python, which publishes no types."""

_READ_MS = 10_000
_STOPPED = "STOPPED"
_PASSED, _FAILED = "passed", "failed"


@dataclass(frozen=True, slots=True)
class Stuck:
    """The record that a connector has failed at, and the words for it."""

    place: Place
    words: str


def find(name: str, worker: Worker, given: str = "") -> Stuck:
    """Return where a connector is stuck, by its trace; `given` (TOPIC-PARTITION@OFFSET) if that does not say.

    Raises StackError("nothing-to-skip") for one that has not failed, "bad-place", "no-place".
    """
    state = worker.state(name)
    if state is None or not (state.failed or state.state == _STOPPED):
        raise StackError("nothing-to-skip", f"{name} has not failed", exit_code=ExitCode.NOTHING)
    cause = explain(state.first_trace)
    place = Place.parse(given or cause.place)
    if place is None:
        raise StackError(
            "bad-place" if given else "no-place",
            f"{given!r} is no TOPIC-PARTITION@OFFSET" if given else f"{name} does not say at which record it failed",
            context=cause.words or None,
            hint="./invoke connectors status\nthen name the record: --at events-topic-0@42 is offset 42 of partition 0",
            exit_code=ExitCode.USAGE,
        )
    return Stuck(place, cause.words)


def fetch(bootstrap: Sequence[str], place: Place) -> Untyped:
    """Return the record at a place; StackError("no-record") if there is none, or none any more."""
    found = first(bootstrap, place)
    if found is None or found.offset != place.offset:
        raise StackError("no-record", f"there is no record at {place}", exit_code=ExitCode.NOTHING)
    return found


def first(bootstrap: Sequence[str], place: Place) -> Untyped | None:
    """Return the first record at or behind a place: between two may lie a transaction's mark, or nothing any more."""
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    partition = TopicPartition(place.topic, place.partition)
    with (
        clients.errors_as("kafka-request", f"{place} cannot be read"),
        closing(clients.consumer(bootstrap)) as consumer,
    ):
        consumer.assign([partition])
        consumer.seek(partition, place.offset)
        found = consumer.poll(timeout_ms=_READ_MS, max_records=1)
    return next((messages[0] for messages in found.values()), None)


def copier(bootstrap: Sequence[str]) -> Callable[[str, str, Stuck, Untyped], None]:
    """Return what writes a record to the dead letters with the headers that Connect gives it, acknowledged."""

    def put_aside(topic: str, name: str, stuck: Stuck, record: Untyped) -> None:
        told = {
            "topic": stuck.place.topic,
            "partition": stuck.place.partition,
            "offset": stuck.place.offset,
            "connector.name": name,
            "exception.class.name": "skipped by hand",
            "exception.message": stuck.words,
        }
        reasons = [(f"__connect.errors.{key}", str(value).encode()) for key, value in told.items()]
        with (
            clients.errors_as("not-sent", f"{stuck.place} was not written to {topic}; nothing was skipped"),
            closing(clients.producer(bootstrap, max_request_size=LARGEST)) as producer,
        ):
            # kafka-python sends no record that has neither key nor value.
            value = b"" if record.key is None and record.value is None else record.value
            sent = producer.send(topic, key=record.key, value=value, headers=[*sendable(record.headers), *reasons])
            sent.get(timeout=_READ_MS / 1000)

    return put_aside


def _settled(worker: Worker, name: str, where: tuple[str, int], offset: int) -> str | None:
    """Say whether a sink has passed an offset or failed, None while it has done neither."""
    if worker.offsets(name).get(where, 0) > offset:
        return _PASSED
    state = worker.state(name)
    return _FAILED if state is not None and state.failed else None


def skip(
    connector: Connector,
    stuck: Stuck,
    worker: Worker,
    put_aside: Callable[[], None],
    next_offset: Callable[[int], int | None],
    *,
    timeout: float,
    clock: Clock = CLOCK,
) -> bool:
    """Move a sink past the record it is stuck at, and let it run; False if it is not stuck there any more.

    next_offset: of the partition's first record at or behind an offset. Batches of one record bring the committed
    offset to the very record. Raises StackError("not-there") if the offset is
    another one all the same, and "timed-out".
    """
    name, place = connector.name, stuck.place
    where = (place.topic, place.partition)
    state = worker.state(name)
    at_it = next_offset(worker.offsets(name).get(where, 0)) == place.offset
    if not at_it and not (state and state.state == _STOPPED):
        worker.put(name, {**connector.config, "consumer.override.max.poll.records": "1"})
        deployment.restart([name], worker, timeout=timeout, clock=clock)
        # It runs for a moment before it comes to the record, and tells its offsets some seconds after it has passed it.
        passed = wait_until(
            lambda: _settled(worker, name, where, place.offset),
            what=f"{name} to come to {place}",
            timeout=timeout,
            interval=0.5,
            clock=clock,
        )
        if passed == _PASSED:
            worker.put(name, connector.config)
            return False
    worker.stop(name)
    try:
        wait_until(
            lambda: (found := worker.state(name)) is not None and found.state == _STOPPED and not found.tasks,
            what=f"{name} to stop",
            timeout=timeout,
            clock=clock,
        )
        found = worker.offsets(name).get(where, 0)
        if found > place.offset:
            return False
        if next_offset(found) != place.offset:
            raise StackError("not-there", f"{name} is at offset {found} of {where[0]}-{where[1]}, not at {place}")
        put_aside()
        worker.move(name, *where, place.offset + 1)
    finally:
        worker.put(name, connector.config)
        worker.resume(name)
    deployment.wait_running([name], worker, timeout=timeout, clock=clock)
    return True


def put_aside(bootstrap: Sequence[str], connector: Connector, stuck: Stuck, worker: Worker, *, timeout: float) -> bool:
    """Copy the record that a sink failed at to its dead letters, and skip it (see `skip`)."""
    record, copy = fetch(bootstrap, stuck.place), copier(bootstrap)

    def next_offset(offset: int) -> int | None:
        found = first(bootstrap, stuck.place._replace(offset=offset))
        return None if found is None else int(found.offset)

    return skip(
        connector,
        stuck,
        worker,
        lambda: copy(str(connector.dead_letters), connector.name, stuck, record),
        next_offset,
        timeout=timeout,
    )
