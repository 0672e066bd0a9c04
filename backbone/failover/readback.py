"""After the last heal: a fence at the end of each partition, then the whole topic read back, through every replica."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka.structs import TopicPartition

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.failover import payload
from backbone.failover.entries import Acknowledged, Fenced, Invoked, PassBegun, ReadBack
from backbone.failover.history import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.failover.journal import Journal

FENCE = "fence"
_ANSWER_S = 60.0
_POLL_MS = 500


def write_fences(bootstrap: Sequence[str], topic: str, partitions: int, run: bytes, journal: Journal) -> None:
    """Append one acknowledged record to each partition: a pass that has not read it has not read everything."""
    producer = clients.producer(bootstrap, **clients.FAILOVER_PRODUCER)
    try:
        for partition in range(partitions):
            record = Record(FENCE, partition, 1)
            now = journal.write(Invoked(*record, time.monotonic_ns()))
            value = payload.encode(payload.Payload(run, record, now), 0)
            metadata = producer.send(topic, value, partition=partition).get(timeout=_ANSWER_S)
            journal.write(Acknowledged(*record, metadata.offset))
            journal.write(Fenced(*record))
    finally:
        producer.close()


def read_back(bootstrap: Sequence[str], topic: str, name: str, run: bytes, journal: Journal, timeout: float) -> int:
    """Read a topic from its beginning to its end with a fresh read_committed consumer, journal it, return the count.

    Raises StackError("read-back-timeout") after `timeout` seconds.
    """
    consumer = clients.consumer(bootstrap, **clients.FAILOVER_CONSUMER)
    try:
        return _read(consumer, topic, name, run, journal, time.monotonic() + timeout)
    finally:
        consumer.close()


def _read(consumer: Any, topic: str, name: str, run: bytes, journal: Journal, deadline: float) -> int:
    partitions = [TopicPartition(topic, one) for one in sorted(consumer.partitions_for_topic(topic) or ())]
    journal.write(PassBegun(name, [one.partition for one in partitions]))
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    count = 0
    while any(consumer.position(one) < ends[one] for one in partitions):
        if time.monotonic() > deadline:
            raise StackError(
                "read-back-timeout",
                f"pass {name} did not reach the end of {topic}",
                context=str({one.partition: (consumer.position(one), ends[one]) for one in partitions}),
                exit_code=ExitCode.TIMEOUT,
            )
        for messages in consumer.poll(timeout_ms=_POLL_MS).values():
            count += len(messages)
            for message in messages:
                _note(message, name, run, journal)
    return count


def _note(message: Any, name: str, run: bytes, journal: Journal) -> None:
    told = payload.decode(message.value, run)
    ours = told is not None and told.record.partition == message.partition
    writer, n = (told.record.writer, told.record.n) if told is not None and ours else (None, None)
    journal.write(ReadBack(name, message.partition, message.offset, writer, n))
