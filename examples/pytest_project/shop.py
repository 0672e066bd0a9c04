"""A service: it reads orders and confirms each one, at least once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kafka import KafkaConsumer, KafkaProducer

if TYPE_CHECKING:
    from threading import Event


def serve(bootstrap: str, orders: str, confirmations: str, group: str, stop: Event) -> None:
    """Confirm orders until told to stop. An order counts as read when its confirmation is acknowledged."""
    servers = bootstrap.split(",")
    producer = KafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    consumer = KafkaConsumer(
        orders, bootstrap_servers=servers, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    # kafka-python 3.0.12 may join the group before it knows the topic, and then sit there without partitions for ever.
    consumer.partitions_for_topic(orders)
    try:
        while not stop.is_set():
            came = [record for records in consumer.poll(timeout_ms=100).values() for record in records]
            for record in came:
                producer.send(confirmations, confirm(record.value), key=record.key)
            if came:
                producer.flush()
                consumer.commit()
    finally:
        consumer.close()
        producer.close()


def confirm(order: bytes) -> bytes:
    """Return the confirmation of an order."""
    return json.dumps({"confirmed": json.loads(order)["id"]}).encode()
