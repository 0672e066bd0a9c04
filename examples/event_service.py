"""Events from and into a Python service: copy this file, it needs kafka-python, fastavro and requests only.

Sending: idempotent, acknowledged by all in-sync replicas, by contract. Receiving: at least once, with a commit
after the work is done, and a dead-letter topic for records that cannot be worked on. See docs/send-an-event.md.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro
import requests
from fastavro.validation import validate
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import NodeNotReadyError, UnknownBrokerIdError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HEADER = struct.Struct(">bI")  # Confluent wire format: byte 0, then the schema's id


class NotByContractError(ValueError):
    """An event or a record does not follow its contract."""


@dataclass
class Contracts:
    """The schema registry, read only: contracts are published from git, never by a service.

    url: the Confluent API, http://127.0.0.1:8081/apis/ccompat/v7 on this machine.
    """

    url: str
    _schemas: dict[int, Any] = field(default_factory=dict)

    def latest(self, topic: str) -> tuple[int, Any]:
        """Return (id, schema) of the newest version for a topic's values."""
        body = self._get(f"/subjects/{topic}-value/versions/latest")
        return int(body["id"]), fastavro.parse_schema(json.loads(body["schema"]))

    def schema(self, schema_id: int) -> Any:
        """Return the schema with an id, asked for once."""
        if schema_id not in self._schemas:
            self._schemas[schema_id] = fastavro.parse_schema(
                json.loads(self._get(f"/schemas/ids/{schema_id}")["schema"])
            )
        return self._schemas[schema_id]

    def _get(self, path: str) -> dict[str, Any]:
        response = requests.get(self.url + path, timeout=10)
        response.raise_for_status()
        return dict(response.json())


class Publisher:
    """Sends events to one topic. Make one, keep it, and close it when the service ends."""

    def __init__(self, producer: KafkaProducer, contracts: Contracts, topic: str, *, key: str = "event_id") -> None:
        self._producer = producer
        self._topic = topic
        self._key = key
        self._id, self._schema = contracts.latest(topic)

    def publish(self, event: Mapping[str, Any]) -> Any:
        """Queue an event and return its future; `.get()` waits for the acknowledgement.

        Raises NotByContractError at once, before anything is sent: for a field that the contract does not have as
        well, which Avro alone would drop in silence.
        """
        unknown = event.keys() - {each["name"] for each in self._schema["fields"]}
        if unknown:
            raise NotByContractError(f"not in the contract of {self._topic}: {', '.join(sorted(unknown))}")
        try:
            validate(event, self._schema, strict=False)
        except fastavro.validation.ValidationError as error:
            raise NotByContractError(str(error)) from error
        buffer = io.BytesIO()
        buffer.write(_HEADER.pack(0, self._id))
        fastavro.schemaless_writer(buffer, self._schema, event)
        return self._producer.send(self._topic, key=str(event[self._key]).encode(), value=buffer.getvalue())

    def close(self) -> None:
        """Wait until everything is acknowledged."""
        self._producer.flush()
        self._producer.close()


class _Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no types
    def get_connection(self, node_id: object, **options: object) -> Any:
        try:
            return super().get_connection(node_id, **options)
        except UnknownBrokerIdError as error:
            self.cluster.request_update()
            raise NodeNotReadyError(node_id) from error


class Network(KafkaNetClient):  # type: ignore[misc]  # as above
    """Give it to every client as `kafka_client`, until kafka-python has cured this (seen in 3.0.12).

    For a moment after a broker died, the others still name it as a leader. Then a producer's thread spins forever and
    its events are never sent, without an error; a consumer never asks that broker again. Here both ask again.
    """

    def __init__(self, **configs: Any) -> None:
        net = NetworkSelector(**configs)
        super().__init__(net=net, manager=_Connections(net, **configs))


def open_producer(bootstrap: str) -> KafkaProducer:
    """Return a producer that neither loses nor doubles an event that was acknowledged."""
    return KafkaProducer(
        bootstrap_servers=bootstrap, kafka_client=Network, acks="all", enable_idempotence=True, linger_ms=5
    )


def open_consumer(bootstrap: str, topic: str, group: str) -> KafkaConsumer:
    """Return a consumer of a group that starts at the beginning and commits nothing by itself."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        kafka_client=Network,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    # kafka-python 3.0.12 may drop its assignment for good if it joins the group before it knows the partitions.
    consumer.partitions_for_topic(topic)
    return consumer


@dataclass
class Subscriber:
    """Works on the events of a topic: each at least once, so `handle` has to bear seeing an event_id again."""

    consumer: KafkaConsumer
    contracts: Contracts
    dead_letters: KafkaProducer
    dead_letter_topic: str

    def run_once(self, handle: Callable[[dict[str, Any]], None], *, timeout_ms: int = 1000) -> int:
        """Take what is there, work on it, put aside what cannot be worked on, then commit; return how many.

        A crash before the commit brings the same records again. An error of the service itself (its database is
        away) belongs outside of `handle`'s ValueError: then nothing is committed and the records come again.
        """
        count = 0
        for messages in self.consumer.poll(timeout_ms=timeout_ms).values():
            for message in messages:
                try:
                    handle(self._decode(message.value))
                except ValueError as error:
                    self._put_aside(message, error)
                count += 1
        self.dead_letters.flush()
        if count:
            self.consumer.commit()
        return count

    def _decode(self, raw: bytes) -> dict[str, Any]:
        if len(raw) <= _HEADER.size or raw[0] != 0:
            raise NotByContractError("the record was not written with the registry")
        try:
            schema = self.contracts.schema(_HEADER.unpack_from(raw)[1])
            body = io.BytesIO(raw[_HEADER.size :])
            return dict(fastavro.schemaless_reader(body, schema, None))  # type: ignore[arg-type]  # contracts are records
        except requests.HTTPError as error:
            raise NotByContractError("its schema is not in the registry") from error
        except (EOFError, IndexError) as error:
            raise NotByContractError("the record does not follow the schema that it names") from error
        except OverflowError as error:
            raise NotByContractError("the record has a moment that Python has no date for") from error

    def _put_aside(self, message: Any, error: ValueError) -> None:
        """Send the record as it came, with where it was and why it is here."""
        place = f"{message.topic}-{message.partition}@{message.offset}"
        headers = [("error", str(error).encode()), ("origin", place.encode())]
        self.dead_letters.send(self.dead_letter_topic, key=message.key, value=message.value, headers=headers)
