"""confluent-kafka: librdkafka behind Python, an extra of the package (`confluent`)."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Producer, TopicPartition

from backbone import client_properties
from backbone.bench.drivers import settings
from backbone.bench.drivers.kafka_python import COMMIT_EVERY_S, JOIN_TIMEOUT_S, KafkaTarget
from backbone.clients import CONSUMER, PRODUCER
from backbone.wait import CLOCK, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message

    from backbone.bench.target import Acknowledged, Failed, Sink, Source

_POLL_S = 0.1
_BATCH = 1_000
_METADATA_S = 10.0
_ANY = -1  # PARTITION_UA of librdkafka: the partitioner's choice


class ConfluentTarget(KafkaTarget):
    """A topic of a cluster, reached by librdkafka with the same settings."""

    __slots__ = ()

    def sink(self, acknowledged: Acknowledged, failed: Failed) -> Sink:
        """Return a producer that knows the topic's leaders."""
        return ConfluentSink(self, acknowledged, failed)

    def source(self) -> Source:
        """Return a consumer placed at the start or the end of every partition."""
        return ConfluentSource(self)


class ConfluentSink:
    """A Producer as a sink. Its callbacks come from `poll`, so a thread does nothing but that."""

    def __init__(self, target: KafkaTarget, acknowledged: Acknowledged, failed: Failed) -> None:
        self._topic, self._turns = target.topic, target.partitions if target.spread == "turns" else 0
        self._acknowledged, self._failed = acknowledged, failed
        self._producer = Producer(
            {
                "bootstrap.servers": ",".join(target.bootstrap),
                # How much may wait is limited by the run itself, the same for each client.
                "queue.buffering.max.messages": 0,
                **client_properties.librdkafka(client_properties.current()),
                **settings.librdkafka({**PRODUCER, **target.producer}, consumer=False),
            }
        )
        self._producer.list_topics(self._topic, timeout=_METADATA_S)
        self._open = True
        self._polling = threading.Thread(target=self._poll, daemon=True)
        self._polling.start()

    def _poll(self) -> None:
        while self._open:
            self._producer.poll(_POLL_S)

    def send(self, sequence: int, record: bytes) -> None:
        """Send to the partition whose turn it is, or the partitioner's choice."""
        partition = sequence % self._turns if self._turns else _ANY
        self._producer.produce(
            self._topic, value=record, partition=partition, on_delivery=partial(self._done, sequence)
        )

    def _done(self, sequence: int, error: Any, _message: object) -> None:
        if error is None:
            self._acknowledged(sequence)
        else:
            self._failed(sequence, str(error.name()))

    def flush(self, timeout: float) -> None:
        """Wait for the acknowledgements; those that miss the timeout stay unacknowledged."""
        self._producer.flush(timeout)

    def close(self) -> None:
        """Stop polling, dropping what is still unsent: those records have failed, the run goes on."""
        self._open = False
        self._polling.join()
        self._producer.purge()


class ConfluentSource:
    """A Consumer as a source: with assigned partitions, or as a member of a group."""

    def __init__(self, target: KafkaTarget) -> None:
        self._group, self._committed = bool(target.group), CLOCK.now()
        self._first: list[bytes] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": ",".join(target.bootstrap),
                "group.id": target.group or f"{target.topic}.unused",  # librdkafka asks for one in any case
                **client_properties.librdkafka(client_properties.current()),
                **settings.librdkafka({**CONSUMER, **target.consumer}, consumer=True),
            }
        )
        if self._group:
            self._consumer.subscribe([target.topic])
            wait_until(self._assigned, what="partitions for the consumer group", timeout=JOIN_TIMEOUT_S)
        else:
            start = OFFSET_END if target.start == "end" else OFFSET_BEGINNING
            self._consumer.assign([TopicPartition(target.topic, number, start) for number in range(target.partitions)])
            self._first += _values([self._consumer.poll(_POLL_S)])

    def _assigned(self) -> bool:
        self._first += _values([self._consumer.poll(_POLL_S)])
        return bool(self._consumer.assignment())

    def poll(self, timeout: float) -> Iterable[bytes]:
        """Return the values of the records that have come."""
        if self._group and CLOCK.now() - self._committed > COMMIT_EVERY_S:
            self._consumer.commit(asynchronous=True)
            self._committed = CLOCK.now()
        if self._first:
            first, self._first = self._first, []
            return first
        # `consume` waits until its whole number is there or the time is over, so it only takes what has come.
        first_one = self._consumer.poll(timeout)
        return _values([first_one, *(self._consumer.consume(_BATCH, 0) if first_one is not None else ())])

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()


def _values(messages: Iterable[Message | None]) -> list[bytes]:
    """Return the values; raises KafkaException for what the client reports in place of a record."""
    values = []
    for message in messages:
        if message is None:
            continue
        if error := message.error():
            if error.retriable():
                continue
            raise KafkaException(error)
        values.append(bytes(message.value() or b""))
    return values
