"""kafka-python, and Kafka as the target of a benchmark: one topic, read with or without a consumer group."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from backbone import clients

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from backbone.bench.target import Acknowledged, Failed, Sink, Source

Spread = Literal["client", "turns"]

COMMIT_EVERY_S = 1.0
JOIN_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class KafkaTarget:
    """A topic of a cluster, with changes to the client settings of backbone.clients.

    spread: "client" leaves the partition to the producer's partitioner, as for records without a key; "turns"
    takes the partitions in turn, as evenly spread keys would. start: where the source begins to read.
    group: with a name, the source subscribes as that consumer group and commits once a second, as an application
    would; without, it reads assigned partitions and no rebalance can disturb a run.
    """

    bootstrap: tuple[str, ...]
    topic: str
    partitions: int
    spread: Spread = "client"
    producer: Mapping[str, Any] = field(default_factory=dict)
    consumer: Mapping[str, Any] = field(default_factory=dict)
    start: Literal["beginning", "end"] = "beginning"
    group: str = ""

    def sink(self, acknowledged: Acknowledged, failed: Failed) -> Sink:
        """Return a producer that knows the topic's leaders."""
        return KafkaSink(self, acknowledged, failed)

    def source(self) -> Source:
        """Return a consumer placed at the start or the end of every partition."""
        return KafkaSource(self)


class KafkaSink:
    """A KafkaProducer as a sink."""

    def __init__(self, target: KafkaTarget, acknowledged: Acknowledged, failed: Failed) -> None:
        self._topic, self._turns = target.topic, target.partitions if target.spread == "turns" else 0
        self._acknowledged, self._failed = acknowledged, failed
        self._producer = clients.producer(target.bootstrap, **target.producer)
        self._producer.partitions_for(self._topic)

    def send(self, sequence: int, record: bytes) -> None:
        """Send to the partition whose turn it is, or the partitioner's choice."""
        partition = sequence % self._turns if self._turns else None
        future = self._producer.send(self._topic, value=record, partition=partition)
        future.add_callback(partial(self._done, sequence))
        future.add_errback(partial(self._error, sequence))

    def _done(self, sequence: int, _metadata: object) -> None:
        self._acknowledged(sequence)

    def _error(self, sequence: int, error: BaseException) -> None:
        self._failed(sequence, type(error).__name__)

    def flush(self, timeout: float) -> None:
        """Wait for the acknowledgements; those that miss the timeout stay unacknowledged."""
        with contextlib.suppress(KafkaTimeoutError):
            self._producer.flush(timeout=timeout)

    def close(self) -> None:
        """Close the producer, dropping what is still unsent: those records have failed, the run goes on."""
        with contextlib.suppress(KafkaTimeoutError):
            self._producer.close(timeout=1)


class KafkaSource:
    """A KafkaConsumer as a source: with assigned partitions, or as a member of a group."""

    def __init__(self, target: KafkaTarget) -> None:
        self._group, self._committed = target.group or None, time.monotonic()
        self._consumer = clients.consumer(target.bootstrap, group_id=self._group, **target.consumer)
        if self._group:
            self._join(target.topic)
        else:
            self._assign(target)

    def _assign(self, target: KafkaTarget) -> None:
        partitions = [TopicPartition(target.topic, number) for number in range(target.partitions)]
        self._consumer.assign(partitions)
        seek = self._consumer.seek_to_end if target.start == "end" else self._consumer.seek_to_beginning
        seek(*partitions)
        for each in partitions:
            self._consumer.position(each)
        self._consumer.poll(0)

    def _join(self, topic: str) -> None:
        clients.join(self._consumer, topic)
        deadline = time.monotonic() + JOIN_TIMEOUT_S
        while not self._consumer.assignment():
            self._consumer.poll(timeout_ms=100)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the consumer group got no partitions in {JOIN_TIMEOUT_S} s")

    def poll(self, timeout: float) -> Iterable[bytes]:
        """Return the values of the records that have come."""
        if self._group and time.monotonic() - self._committed > COMMIT_EVERY_S:
            self._consumer.commit_async()
            self._committed = time.monotonic()
        batches = self._consumer.poll(timeout_ms=timeout * 1000)
        return (record.value for record in chain.from_iterable(batches.values()))

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()
