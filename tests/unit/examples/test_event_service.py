"""The example for services: by contract or not at all, commit after the work, dead letters with their reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from backbone.events.contracts import repository
from backbone.events.contracts.registry import Registry
from examples.event_service import Contracts, NotByContractError, Publisher, Subscriber
from tests import ROOT
from tests.servers.http import serve
from tests.servers.registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOPIC = "events-topic"
EVENT = {"event_id": "e1", "event_type": "t", "source": "shop", "occurred_at": datetime(2026, 1, 31, tzinfo=UTC)}


@dataclass
class Message:
    """One record, with what a consumer gets of it."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    partition: int = 0
    offset: int = 0


@dataclass
class Broker:
    """One partition a topic, one group: a record is seen again until its offset was committed."""

    topics: dict[str, list[Message]] = field(default_factory=dict)
    committed: int = 0
    position: int = 0
    flushed: bool = True

    def send(self, topic: str, *, key: bytes | None, value: bytes, headers: list[Any] | None = None) -> None:
        log = self.topics.setdefault(topic, [])
        log.append(Message(topic, key, value, headers or [], offset=len(log)))
        self.flushed = False

    def flush(self) -> None:
        self.flushed = True

    def close(self) -> None:
        """Nothing to give back."""

    def poll(self, *, timeout_ms: int) -> dict[str, list[Message]]:
        assert timeout_ms > 0
        new = self.topics.get(TOPIC, [])[self.position :]
        self.position += len(new)
        return {TOPIC: new} if new else {}

    def commit(self) -> None:
        assert self.flushed, "committed before the dead letters were acknowledged"
        self.committed = self.position

    def crash(self) -> None:
        self.position = self.committed


@pytest.fixture
def contracts() -> Iterator[Contracts]:
    found = repository.load(ROOT / repository.FOLDER, repository.SCHEMA_FILE).for_topic(TOPIC)
    assert found is not None
    with serve(FakeRegistry()) as url:
        registry = Registry(url)
        for version in found.versions:
            registry.register(found.subject, version.compact)
        yield Contracts(url)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def subscriber(broker: Broker, contracts: Contracts) -> Subscriber:
    return Subscriber(broker, contracts, broker, f"{TOPIC}.dead-letters")


def collect(into: list[dict[str, Any]]) -> Callable[[dict[str, Any]], None]:
    return into.append


def test_what_is_published_is_received_as_it_was(broker: Broker, contracts: Contracts, subscriber: Subscriber) -> None:
    publisher = Publisher(broker, contracts, TOPIC)
    publisher.publish(EVENT)
    publisher.close()
    seen: list[dict[str, Any]] = []
    assert subscriber.run_once(collect(seen)) == 1
    assert seen == [{**EVENT, "amount": None, "payload": None, "trace_id": None}]
    assert (broker.committed, broker.topics[TOPIC][0].key) == (1, b"e1")


@pytest.mark.parametrize("change", [{"event_id": 7}, {"sorce": "x"}, {"occurred_at": "noon"}])
def test_what_breaks_the_contract_is_never_sent(broker: Broker, contracts: Contracts, change: dict[str, Any]) -> None:
    with pytest.raises(NotByContractError, match=next(iter(change))):
        Publisher(broker, contracts, TOPIC).publish({**EVENT, **change})
    assert broker.topics == {}


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (b"{}", "not written with the registry"),
        (b"\0\0\0\0\x63xx", "not in the registry"),
        (b"\0\0\0\0\2\xff", "does not follow"),
    ],
)
def test_poison_is_put_aside_with_its_reason_and_the_rest_goes_on(
    broker: Broker, contracts: Contracts, subscriber: Subscriber, poison: bytes, reason: str
) -> None:
    broker.send(TOPIC, key=b"k", value=poison)
    Publisher(broker, contracts, TOPIC).publish(EVENT)
    seen: list[dict[str, Any]] = []
    assert subscriber.run_once(collect(seen)) == 2
    (letter,) = broker.topics[f"{TOPIC}.dead-letters"]
    headers = dict(letter.headers)
    assert (letter.value, letter.key, headers["origin"]) == (poison, b"k", b"events-topic-0@0")
    assert reason in headers["error"].decode()
    assert [event["event_id"] for event in seen] == ["e1"]
    assert broker.committed == 2


def test_an_error_of_the_service_commits_nothing_and_the_event_comes_again(
    broker: Broker, contracts: Contracts, subscriber: Subscriber
) -> None:
    Publisher(broker, contracts, TOPIC).publish(EVENT)

    def database_is_away(_: dict[str, Any]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        subscriber.run_once(database_is_away)
    assert broker.committed == 0
    broker.crash()
    seen: list[dict[str, Any]] = []
    subscriber.run_once(collect(seen))
    assert len(seen) == 1


def test_nothing_to_do_commits_nothing(broker: Broker, subscriber: Subscriber) -> None:
    assert subscriber.run_once(collect([])) == 0
    assert broker.committed == 0
