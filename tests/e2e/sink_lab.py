"""Any contract through registry, Kafka, Connect and PostgreSQL: a topic and a table for each, one sink for all."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backbone import clients
from backbone.events import dead_letters, reading
from backbone.events.archive.database import of_stack
from backbone.events.connectors import deployment, files
from backbone.events.connectors import worker as connect_worker
from backbone.events.contracts.registry import Registry
from backbone.events.contracts.wire import Encoder
from backbone.stack import endpoints
from backbone.stack.settings import Settings
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from backbone.events.archive.database import Database
    from backbone.events.dead_letters import Letter
    from backbone.stack.compose import Model
    from tests.e2e.checkout import Checkout

Json = Any
WAIT_S = 300
_DEAD = "dead"


def model(stack: Checkout) -> Model:
    return endpoints.model(Settings(stack.root, stack.env))


@dataclass
class Lab:
    """A sink of its own, with the settings of the archive's but for topics, table and key."""

    stack: Checkout
    name: str
    sent: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = model(self.stack)
        self.brokers = endpoints.bootstrap(found)
        self.registry = Registry(endpoints.named(found, "schema-registry", "SCHEMA_REGISTRY_URL"))
        self.worker = connect_worker.of_stack(found)
        self.database: Database = of_stack(found, "unused")

    def topic(self, part: str) -> str:
        return f"{self.name}-{part}"

    def make_topics(self, parts: Iterable[str]) -> None:
        topics = {self.topic(part): {"num_partitions": 1, "replication_factor": 3} for part in (*parts, _DEAD)}
        with clients.admin(self.brokers) as admin:
            admin.create_topics(topics)

    def register(self, part: str, schema: Json) -> Encoder:
        subject = f"{self.topic(part)}-value"
        self.registry.set_level("NONE", subject)
        return Encoder(self.registry.register(subject, json.dumps(schema)), schema)

    def send(self, records: Mapping[str, Sequence[tuple[Encoder, dict[str, Any]]]]) -> None:
        """Send records, topic by topic, each with its `id` as key."""
        with closing(clients.producer(self.brokers, max_request_size=2_000_000)) as producer:
            for part, each in records.items():
                futures = [
                    producer.send(self.topic(part), key=value["id"].encode(), value=encoder.encode(value))
                    for encoder, value in each
                ]
                self.sent.setdefault(part, []).extend(value for _, value in each)
                producer.flush(timeout=120)
                assert all(future.succeeded() for future in futures)

    def start(self) -> None:
        known = files.load(self.stack.root / files.FOLDER, files.SCHEMA_FILE)
        (archive,) = files.select(known, ["postgres-archive"])
        own = {
            "topics": ",".join(map(self.topic, self.sent)),
            "collection.name.format": "${topic}",
            "primary.key.fields": "id",
            "errors.deadletterqueue.topic.name": self.topic(_DEAD),
        }
        self.worker.put(self.name, {**archive.config, **own})
        (state,) = deployment.wait_running([self.name], self.worker, timeout=WAIT_S)
        assert state.running, state.first_trace

    def await_all(self) -> None:
        """Wait until the sink has committed all that was sent; it may not fail meanwhile."""

        def left() -> dict[str, int]:
            state = self.worker.state(self.name)
            assert state is None or not state.failed, state.first_trace
            at = self.worker.offsets(self.name)
            missing = {part: len(each) - at.get((self.topic(part), 0), 0) for part, each in self.sent.items()}
            return {part: count for part, count in missing.items() if count > 0}

        wait_until(
            lambda: not left(), what="a lag of 0", timeout=WAIT_S, interval=1, last_seen=lambda: str(left())[:500]
        )
        state = self.worker.state(self.name)
        assert state is not None
        assert state.running, state.first_trace
        self.worker.stop(self.name)

    def letters(self) -> dict[tuple[str, int], Letter]:
        """Return (topic's part, offset) → dead letter."""
        box = dead_letters.read("", reading.consume(self.brokers, self.topic(_DEAD), reading.Selection()))
        found = {}
        for letter in box.letters.values():
            assert letter.origin is not None
            found[letter.origin.topic.removeprefix(f"{self.name}-"), letter.origin.offset] = letter
        return found

    def column(self, part: str, name: str = "v") -> str | None:
        """Return the type of a table's column as PostgreSQL writes it."""
        query = (
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
            "WHERE relname = %s AND attname = %s"
        )
        with self.database.connect() as connection:
            row = connection.execute(query, (self.topic(part), name)).fetchone()
        return row[0] if row else None

    def rows(self, part: str, columns: str = "*") -> list[Any]:
        query = f'SELECT {columns} FROM "{self.topic(part)}"'  # noqa: S608 - names of this test
        with self.database.connect() as connection:
            return connection.execute(query.encode()).fetchall()
