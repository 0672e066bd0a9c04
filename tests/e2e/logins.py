"""Clients of a secure stack that share no code with ours: librdkafka, which says why it was refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, Producer

from backbone import client_properties

if TYPE_CHECKING:
    from backbone.security.layout import Secrets

TOPIC = "events-topic"
WAIT_S = 15.0


def librdkafka(secrets: Secrets, user: str = "app", **changes: str | None) -> dict[str, Any]:
    """Return librdkafka's settings for a user, by the file that the stack made for them."""
    read = client_properties.read(secrets.properties(user))
    settings = {
        "bootstrap.servers": read.bootstrap,
        "security.protocol": read.protocol,
        "sasl.mechanism": read.mechanism,
        "sasl.username": read.username,
        "sasl.password": read.password,
        "ssl.ca.location": str(read.ca_file),
        "socket.timeout.ms": "8000",
    } | {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in settings.items() if value is not None}


def written(settings: dict[str, Any], topic: str) -> KafkaError | None:
    """Send one record; return why it was refused, None if it was taken."""
    reasons: list[KafkaError] = []
    found: list[KafkaError | None] = []
    producer = Producer({**settings, "error_cb": reasons.append, "message.timeout.ms": 8000}, logger=None)
    producer.produce(topic, b"x", on_delivery=lambda error, _message: found.append(error))
    until = time.monotonic() + WAIT_S
    while not found and not reasons and time.monotonic() < until:
        producer.poll(0.1)
    if found:
        return found[0]
    named = [one for one in reasons if one.code() != KafkaError._ALL_BROKERS_DOWN]  # noqa: SLF001 - its name
    return (named or reasons)[0]


def read_by(settings: dict[str, Any], group: str, topic: str = TOPIC) -> KafkaError | None:
    """Read with a group until its first record or refusal."""
    consumer = Consumer({**settings, "group.id": group, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if message := consumer.poll(0.2):
                return message.error()
        raise AssertionError(f"{group} read nothing of {topic}, and was not refused")
    finally:
        consumer.close()


def code(error: KafkaError | None) -> int:
    return 0 if error is None else int(error.code())
