"""After the last heal: a fence at the end of each partition, then the whole topic read back, through every replica."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka.errors import UnknownTopicOrPartitionError
from kafka.structs import TopicPartition

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.failover import payload
from backbone.failover.entries import Acknowledged, Fenced, Invoked, PassBegun, ReadBack
from backbone.failover.history import RECOVERY_S, Record
from backbone.failover.patience import persist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.failover.journal import Journal

FENCE = "fence"
_POLL_MS = 500


def write_fences(bootstrap: Sequence[str], topic: str, partitions: int, run: bytes, journal: Journal) -> None:
    """Append one acknowledged record to each partition: a pass that has not read it has not read everything.

    Raises StackError("no-fence") if one is not acknowledged within the time that a cluster has to recover.
    """
    producer = persist(
        lambda: clients.producer(bootstrap, **clients.FAILOVER_PRODUCER), what="a connection to write the fences"
    )
    try:
        for partition in range(partitions):
            record = Record(FENCE, partition, 1)
            now = journal.write(Invoked(*record, time.monotonic_ns()))
            value = payload.encode(payload.Payload(run, record, now), 0)
            # The client itself sends it again while the faults hinder it.
            with clients.errors_as("no-fence", f"the last record of partition {partition} was not acknowledged"):
                metadata = producer.send(topic, value, partition=partition).get(timeout=RECOVERY_S)
            journal.write(Acknowledged(*record, metadata.offset))
            journal.write(Fenced(*record))
    finally:
        producer.close()


def read_back(bootstrap: Sequence[str], topic: str, name: str, run: bytes, journal: Journal, timeout: float) -> int:
    """Read a topic from its beginning to its end with a fresh read_committed consumer, journal it, return the count.

    Raises StackError("read-back-timeout") after `timeout` seconds without a record: a topic may be of any length.
    """
    consumer = persist(
        lambda: clients.consumer(bootstrap, **clients.FAILOVER_CONSUMER), what=f"a connection for pass {name}"
    )
    try:
        with clients.errors_as("read-back-failed", f"pass {name} could not go on"):
            return _read(consumer, topic, name, run, journal, timeout)
    finally:
        consumer.close()


def _read(consumer: Any, topic: str, name: str, run: bytes, journal: Journal, timeout: float) -> int:
    """Read with each question asked again for as long as faults hinder it: a pass keeps its place meanwhile."""
    partitions = persist(lambda: _partitions(consumer, topic), what=f"the partitions of {topic}")
    journal.write(PassBegun(name, [one.partition for one in partitions]))
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = persist(lambda: consumer.end_offsets(partitions), what=f"the end of {topic}")
    count, deadline = 0, time.monotonic() + timeout
    while any(position < ends[one] for one, position in _positions(consumer, partitions).items()):
        if time.monotonic() > deadline:
            raise StackError(
                "read-back-timeout",
                f"pass {name} did not reach the end of {topic}",
                context=str({k.partition: (at, ends[k]) for k, at in _positions(consumer, partitions).items()}),
                exit_code=ExitCode.TIMEOUT,
            )
        for messages in persist(lambda: consumer.poll(timeout_ms=_POLL_MS), what=f"records of {topic}").values():
            count += len(messages)
            for message in messages:
                _note(message, name, run, journal)
            deadline = time.monotonic() + timeout
    return count


def _partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    found = sorted(consumer.partitions_for_topic(topic) or ())
    if not found:
        raise UnknownTopicOrPartitionError(topic)  # a broker that has just come back may not know it yet
    return [TopicPartition(topic, one) for one in found]


def _positions(consumer: Any, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    return persist(lambda: {one: consumer.position(one) for one in partitions}, what="where the pass is")


def _note(message: Any, name: str, run: bytes, journal: Journal) -> None:
    told = payload.decode(message.value, run)
    ours = told is not None and told.record.partition == message.partition
    writer, n = (told.record.writer, told.record.n) if told is not None and ours else (None, None)
    journal.write(ReadBack(name, message.partition, message.offset, writer, n))
