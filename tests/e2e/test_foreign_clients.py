"""Records and groups as other clients make them: every codec of librdkafka and Java, groups of newer protocols."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer, ShareConsumer

from backbone import clients
from backbone.events import reading
from backbone.events.archive.database import of_stack
from backbone.events.archive.events import Events
from backbone.events.contracts import repository
from backbone.events.contracts.registry import Registry
from backbone.events.contracts.wire import Decoder
from backbone.events.records import Codec
from backbone.stack import endpoints, topics
from backbone.wait import wait_until
from tests.e2e.sink_lab import model

if TYPE_CHECKING:
    from tests.e2e.checkout import Checkout

TOPIC = "events-topic"
CODECS = ("gzip", "snappy", "lz4", "zstd")
COUNT = 300  # enough for several blocks of each codec


def test_what_librdkafka_compresses_is_read_and_archived(data_stack: Checkout) -> None:
    found = model(data_stack)
    registry = Registry(endpoints.named(found, "schema-registry", "SCHEMA_REGISTRY_URL"))
    contract = repository.load(data_stack.root / repository.FOLDER, repository.SCHEMA_FILE).for_topic(TOPIC)
    assert contract is not None
    records, decoder = Codec.registered(contract, registry), Decoder(registry.schema)
    for codec in CODECS:
        settings = {"compression.type": codec, "linger.ms": 500, "acks": "all"}
        producer = Producer({"bootstrap.servers": ",".join(endpoints.bootstrap(found)), **settings})
        for event in map(Events(f"packed-{codec}").__getitem__, range(COUNT)):
            record, _ = records.record(event)
            assert record is not None
            producer.produce(TOPIC, record.value, record.key)
        assert producer.flush(60) == 0
    table = of_stack(found, "events")
    for codec in CODECS:
        source = f"packed-{codec}"
        wait_until(lambda s=source: table.count(s) >= COUNT, what=f"{COUNT} rows of {source}", timeout=60)  # type: ignore[misc]
        assert table.count(source) == COUNT
    read = Counter(
        value.get("source")
        for message in reading.consume(endpoints.bootstrap(found), TOPIC, reading.Selection())
        if isinstance(value := reading.shown(message, decoder, by_contract=False)["value"], dict)
    )
    assert {codec: read[f"packed-{codec}"] for codec in CODECS} == dict.fromkeys(CODECS, COUNT)


@pytest.mark.parametrize("codec", CODECS)
def test_what_java_compresses_is_read(data_stack: Checkout, codec: str) -> None:
    """A broker compresses anew what comes in another codec than its topic's, by the code of Java's producer."""
    brokers = endpoints.bootstrap(model(data_stack))
    topic = f"java-{codec}"
    with clients.admin(brokers) as admin:
        topics.create(admin, topics.Topic(topic, 1, config={"compression.type": codec}))
    texts = [f"{number}: {'text to be packed ' * 20}" for number in range(COUNT)]
    with closing(clients.producer(brokers, **clients.BULK_PRODUCER)) as producer:
        for text in texts:
            producer.send(topic, value=text.encode())
        producer.flush(timeout=60)
    assert [message.value.decode() for message in reading.consume(brokers, topic, reading.Selection())] == texts


def test_groups_of_the_newer_protocols_are_listed_with_their_members(data_stack: Checkout) -> None:
    brokers = {"bootstrap.servers": ",".join(endpoints.bootstrap(model(data_stack))), "client.id": "worker"}
    newer = Consumer(brokers | {"group.id": "next-generation", "group.protocol": "consumer"})
    share = ShareConsumer(brokers | {"group.id": "job-queue"})
    partitions = [f"{TOPIC}-{number}" for number in range(3)]
    expected = {"next-generation": ("consumer", 1, None), "job-queue": ("share", 1, ("worker", partitions))}
    seen: dict[str, dict[str, Any]] = {}
    try:
        newer.subscribe([TOPIC])
        share.subscribe([TOPIC])

        def whole() -> bool:
            newer.poll(0.2)
            share.poll(0.2)
            listed = {each["name"]: each for each in data_stack.json("groups", "list")}
            seen.update({name: listed.get(name, {}) for name in expected})
            if any(each.get("state") != "Stable" for each in seen.values()):
                return False
            # a share group is stable from its first member on, and gives that member its partitions some time later
            (member,) = data_stack.json("groups", "describe", "job-queue")["members"] or [{}]
            seen["job-queue"]["reads"] = member.get("client"), sorted(member.get("partitions", []))
            return {name: (each["type"], each["members"], each.get("reads")) for name, each in seen.items()} == expected

        wait_until(whole, what="both groups to have their members", last_seen=lambda: str(seen), timeout=90)
        assert "share-group" in data_stack.run("groups", "delete", "job-queue", "--yes", code=2).stderr
        assert "group-active" in data_stack.run("groups", "reset", "next-generation", "--to", "latest", code=1).stderr
    finally:
        newer.close()
        share.close()
