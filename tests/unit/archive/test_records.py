"""Producing from JSON lines: all or nothing, and a wrong line is named with its field."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events import records
from backbone.events.contracts import repository
from backbone.events.contracts.registry import Registry
from backbone.events.contracts.wire import Decoder
from tests import ROOT
from tests.servers.http import serve
from tests.servers.registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.events.contracts.model import Contract

GOOD = {"event_id": "e1", "event_type": "t", "source": "shop", "occurred_at": "2026-01-31T12:00:00Z"}


@dataclass
class Topic:
    """What became visible, and how often a transaction was begun."""

    visible: list[tuple[bytes, bytes]] = field(default_factory=list)
    begun: int = 0
    fails_at: int | None = None

    @contextmanager
    def transaction(self) -> Iterator[records.Sender]:
        self.begun += 1
        pending = _Pending(self)
        yield pending
        self.visible += pending.records


@dataclass
class _Pending:
    topic: Topic
    records: list[tuple[bytes, bytes]] = field(default_factory=list)

    def send(self, key: bytes, value: bytes) -> None:
        if self.topic.fails_at == len(self.records):
            raise StackError("not-sent", "the broker is gone")
        self.records.append((key, value))


@pytest.fixture
def contract() -> Contract:
    found = repository.load(ROOT / repository.FOLDER, repository.SCHEMA_FILE).for_topic("events-topic")
    assert found is not None
    return found


@pytest.fixture
def registry(contract: Contract) -> Iterator[Registry]:
    with serve(FakeRegistry()) as url:
        client = Registry(url)
        for version in contract.versions:
            client.register(contract.subject, version.compact)
        yield client


@pytest.fixture
def codec(contract: Contract, registry: Registry) -> records.Codec:
    return records.Codec.registered(contract, registry)


def lines(*values: object) -> list[bytes]:
    return [(value if isinstance(value, str) else json.dumps(value)).encode() for value in values]


def test_every_line_is_sent_keyed_by_the_contract_and_readable_through_the_registry(
    codec: records.Codec, registry: Registry
) -> None:
    topic = Topic()
    text = lines(GOOD, "\n", {**GOOD, "event_id": "e2"})
    assert records.produce(lambda: text, codec, topic.transaction) == 2
    assert [key for key, _ in topic.visible] == [b"e1", b"e2"]
    assert Decoder(registry.schema).decode(topic.visible[1][1])["event_id"] == "e2"


def test_one_wrong_line_and_nothing_is_begun(codec: records.Codec) -> None:
    topic = Topic()
    text = lines(GOOD, "{oops", {**GOOD, "amount": "12"}, {"event_id": "x"})
    with pytest.raises(StackError, match="3 of 4 records break events-topic-value v2") as caught:
        records.produce(lambda: text, codec, topic.transaction)
    assert topic.begun == 0
    shown = (caught.value.context or "").splitlines()
    assert shown[0].startswith("line 2: no JSON: ")
    assert shown[1] == 'line 3: amount: expected a number, found "12", or null'
    assert shown[2] == "line 4: event_type: is missing and has no default"


def test_a_broker_that_goes_half_way_leaves_nothing_visible(codec: records.Codec) -> None:
    topic = Topic(fails_at=1)
    with pytest.raises(StackError, match="not-sent"):
        records.produce(lambda: lines(GOOD, GOOD), codec, topic.transaction)
    assert (topic.begun, topic.visible) == (1, [])


def test_no_record_is_nothing_to_work_on(codec: records.Codec) -> None:
    with pytest.raises(StackError) as caught:
        records.judge([b"", b"\n"], codec)
    assert caught.value.exit_code is ExitCode.NOTHING


def test_a_contract_that_was_not_applied_is_named_with_its_remedy(contract: Contract) -> None:
    with serve(FakeRegistry()) as url, pytest.raises(StackError, match="contract-not-registered") as caught:
        records.Codec.registered(contract, Registry(url))
    assert caught.value.hint == "./invoke contracts apply"
