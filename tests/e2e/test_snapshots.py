"""Time travel on a real stack: whatever is damaged is as it was, here and in another checkout."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, UserScramCredentialUpsertion

from backbone import clients
from backbone.events.archive import database
from backbone.events.connectors import worker
from backbone.events.contracts.registry import Registry
from backbone.snapshots import fingerprint
from backbone.stack import endpoints
from backbone.stack.engine import open_stack
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from backbone.stack.compose import Model
    from tests.e2e.checkout import Checkout

EVENTS = 50
LARGEST_EXPORT = 5 << 20
PROFILES = ("--profile", "messaging", "--profile", "data")
TOPIC, GROUP, USER, SUBJECT, SINK = "orders", "billing", "app", "orders-value", "postgres-archive"
SCHEMA: dict[str, Any] = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
WIDER = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "note", "type": "string", "default": ""}]}


class Lab:
    """A checkout whose stack runs, and the clients that fill and damage it."""

    def __init__(self, stack: Checkout) -> None:
        self.stack = stack
        settings = Settings(stack.root, stack.env)
        self.model: Model = endpoints.model(settings)
        self.opened = open_stack(settings, ["messaging", "data"], "embedded", lambda *_: None)
        self.bootstrap = endpoints.bootstrap(self.model)
        self.registry = Registry(endpoints.named(self.model, "schema-registry", "SCHEMA_REGISTRY_URL"))

    def admin(self, what: Callable[[Any], object]) -> None:
        with clients.admin(self.bootstrap) as client:
            what(client)

    def send(self, *values: bytes) -> None:
        producer = clients.producer(self.bootstrap)
        for value in values:
            producer.send(TOPIC, value, partition=0).get(timeout=30)
        producer.close()

    def commit(self) -> None:
        consumer = clients.consumer(self.bootstrap, group_id=GROUP)
        clients.join(consumer, TOPIC)
        while not consumer.poll(timeout_ms=200):
            pass
        consumer.commit()
        consumer.close()

    def settings(self, kind: ConfigResourceType, name: str, **config: str) -> None:
        wanted = {key.replace("_", "."): value for key, value in config.items()}
        self.admin(lambda client: client.alter_configs([ConfigResource(kind, name, wanted)]))

    def user(self, iterations: int) -> None:
        wanted = UserScramCredentialUpsertion(USER, "SCRAM-SHA-512", "secret", iterations=iterations)
        self.admin(lambda client: client.alter_user_scram_credentials([wanted]))

    def sql(self, *statements: str) -> None:
        with database.of_stack(self.model, "events").connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @property
    def connect(self) -> worker.Worker:
        return worker.of_stack(self.model)

    def fingerprint(self) -> dict[str, str]:
        return fingerprint.of(self.opened)


DAMAGES: list[tuple[str, str, Callable[[Lab], object]]] = [
    ("a record more", "records", lambda lab: lab.send(b"late")),
    (
        "the oldest record gone",
        "records",
        lambda lab: lab.admin(lambda client: client.delete_records({TopicPartition(TOPIC, 0): 1})),
    ),
    (
        "a setting of a topic",
        "topics",
        lambda lab: lab.settings(ConfigResourceType.TOPIC, TOPIC, retention_ms="999999"),
    ),
    ("a partition more", "topics", lambda lab: lab.admin(lambda client: client.create_partitions({TOPIC: 4}))),
    ("a topic more", "topics", lambda lab: lab.stack.run("topics", "create", "other")),
    (
        "a setting of a broker",
        "brokers",
        lambda lab: lab.settings(ConfigResourceType.BROKER, "1", log_cleaner_threads="2"),
    ),
    ("a group's place", "groups", lambda lab: lab.stack.run("groups", "reset", GROUP, "--to", "earliest", "--yes")),
    ("a group gone", "groups", lambda lab: lab.stack.run("groups", "delete", GROUP, "--yes")),
    ("a user's password", "users", lambda lab: lab.user(8192)),
    ("a version of a contract more", "schemas", lambda lab: lab.registry.register(SUBJECT, json.dumps(WIDER))),
    ("a level", "schemas", lambda lab: lab.registry.set_level("NONE", SUBJECT)),
    ("a connector that is stopped", "connectors", lambda lab: lab.connect.stop(SINK)),
    ("a connector's place", "connectors", lambda lab: lab.connect.move(SINK, "events-topic", 0, 0)),
    ("a row", "tables", lambda lab: lab.sql("UPDATE events SET source = 'x' WHERE event_id = 'e-7'")),
    ("a column", "tables", lambda lab: lab.sql("ALTER TABLE events ADD COLUMN spare text")),
    ("a table gone", "tables", lambda lab: lab.sql("DROP TABLE events")),
    ("a role more", "roles", lambda lab: lab.sql("CREATE ROLE somebody")),
    ("the topic gone", "records", lambda lab: lab.stack.run("topics", "delete", TOPIC, "--yes")),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Lab]:
    """A stack with something of everything in it."""
    folder = tmp_path_factory.mktemp("travel")
    stack = checkout.make(folder / "first", cache, shift=checkout.free_shift())
    try:
        stack.run("up", *PROFILES)
        stack.run("connectors", "apply")
        made = Lab(stack)
        stack.run("topics", "create", TOPIC, "--partitions", "3")
        made.send(*(f"order {number}".encode() for number in range(EVENTS)))
        made.commit()
        made.user(4096)
        made.registry.register(SUBJECT, json.dumps(SCHEMA))
        made.registry.set_level("FULL", SUBJECT)
        made.settings(ConfigResourceType.BROKER, "2", log_cleaner_threads="2")
        event = {"event_type": "t", "source": "s", "occurred_at": "2026-01-31T12:00:00Z"}
        lines = [json.dumps({**event, "event_id": f"e-{number}"}) for number in range(EVENTS)]
        (folder / "events.jsonl").write_text("\n".join(lines), encoding="utf-8")
        stack.run("produce", "events-topic", "--file", str(folder / "events.jsonl"))
        rows = database.of_stack(made.model, "events")
        wait_until(lambda: rows.count("s") == EVENTS, what=f"{EVENTS} rows", timeout=60)
        committed = partial(made.connect.offsets, SINK)
        wait_until(lambda: sum(committed().values()) == EVENTS, what="the sink's commit", timeout=60)
        yield made
    finally:
        stack.run("down")


def await_same(lab: Lab, wanted: dict[str, str]) -> None:
    """Wait until a stack that was just started holds this: a connector's tasks come a moment after it."""
    last: list[dict[str, str]] = []

    def same() -> bool:
        last.append(lab.fingerprint())
        return last[-1] == wanted

    def differs() -> str:
        return ", ".join(name for name in wanted if last[-1].get(name) != wanted[name])

    wait_until(same, what="the same fingerprint", timeout=60, last_seen=differs)


def await_other(lab: Lab, before: dict[str, str], part: str, damage: str) -> dict[str, str]:
    """Wait until a damage is seen: what a broker is told of itself reaches it by the metadata log, a moment later."""

    def seen() -> dict[str, str] | None:
        after = lab.fingerprint()
        return after if after[part] != before[part] else None

    return wait_until(seen, what=f"{damage} to be seen", timeout=60)


def test_every_damage_is_seen_and_undone_and_a_file_begins_another_checkout(
    lab: Lab, cache: Path, tmp_path: Path
) -> None:
    lab.stack.run("snapshot", "save", "whole")
    first = lab.fingerprint()
    await_same(lab, first)
    assert lab.stack.json("snapshot", "fingerprint") == first
    assert len(DAMAGES) >= 12
    before = first
    for name, part, damage in DAMAGES:
        damage(lab)
        before = await_other(lab, before, part, name)
    lab.stack.run("snapshot", "restore", "whole", "--yes")
    await_same(lab, first)

    file = tmp_path / "whole.tar.zst"
    lab.stack.run("snapshot", "export", "whole", str(file))
    assert file.stat().st_size <= LARGEST_EXPORT
    other = checkout.make(tmp_path / "second", cache, shift=checkout.free_shift())
    lab.stack.run("down")
    try:
        other.run("up", *PROFILES, "--from", str(file))
        await_same(Lab(other), first)
        again = other.run("up", *PROFILES, "--from", str(file), code=2)
        assert "data-exists" in again.stderr or "snapshot" in again.stderr
    finally:
        other.end()
