"""Records with known content, written with acks=all and read back whole."""

from __future__ import annotations

import uuid

from kafka import TopicPartition

from backbone import clients
from backbone.stack import topics

_PARTITIONS = 3
_READ_MS = 30_000


def produce(
    bootstrap: tuple[str, ...], count: int, topic: str = "", new: topics.Topic | None = None
) -> tuple[str, set[bytes]]:
    """Write records to a topic (a new one without a name); return its name and every acknowledged value."""
    if not topic:
        new = new or topics.Topic(f"e2e-{uuid.uuid4().hex[:8]}", _PARTITIONS)
        topic = new.name
        with clients.admin(bootstrap) as client:
            topics.create(client, new)
    producer = clients.producer(bootstrap)
    try:
        values = [uuid.uuid4().hex.encode() for _ in range(count)]
        sent = [producer.send(topic, value, partition=n % _PARTITIONS) for n, value in enumerate(values)]
        for future in sent:
            future.get(timeout=60)
    finally:
        producer.close()
    return topic, set(values)


def read(bootstrap: tuple[str, ...], topic: str, count: int) -> set[bytes]:
    """Read a topic from its beginning until so many records have come; what came twice counts once."""
    consumer = clients.consumer(bootstrap, consumer_timeout_ms=_READ_MS)
    consumer.assign([TopicPartition(topic, partition) for partition in range(_PARTITIONS)])
    found: set[bytes] = set()
    try:
        for record in consumer:
            found.add(record.value)
            if len(found) == count:
                break
    finally:
        consumer.close()
    return found
