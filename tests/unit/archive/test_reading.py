"""Reading a topic: which records, from where, and how each is shown."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import pytest

from backbone.errors import StackError
from backbone.events import reading
from backbone.events.contracts.values import Converter
from backbone.events.contracts.wire import Decoder, Encoder
from tests import ROOT

EVENT: dict[str, Any] = json.loads((ROOT / "schemas/contracts/events-topic-value/v2.avsc").read_text())
GOOD = {"event_id": "e1", "event_type": "t", "source": "shop", "occurred_at": "2026-01-31T12:00:00Z"}


@dataclass
class Message:
    """A consumed record, as kafka-python gives it."""

    value: bytes | None
    key: bytes | None = b"k"
    partition: int = 1
    offset: int = 42
    timestamp: int = 1_769_860_800_000
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)


def decoder() -> Decoder:
    return Decoder({3: EVENT, 4: "string"}.get)


def event(**changes: object) -> bytes:
    value, violations = Converter(EVENT).convert({**GOOD, **changes})
    assert violations == []
    return Encoder(3, EVENT).encode(value)


def test_a_record_is_shown_with_its_place() -> None:
    assert reading.shown(Message(event()), decoder(), by_contract=True) == {
        "partition": 1,
        "offset": 42,
        "timestamp": "2026-01-31T12:00:00.000Z",
        "key": "k",
        "value": {**GOOD, "amount": None, "payload": None, "trace_id": None},
    }


def test_a_poison_record_is_shown_with_its_reason_and_its_bytes() -> None:
    shown = reading.shown(Message(b"{}  ", key=None), decoder(), by_contract=True)
    assert shown["raw"] == "e30gIA=="
    assert shown["key"] is None
    assert shown["error"].startswith("not-confluent-wire: ")


@pytest.mark.parametrize("by_contract", [True, False])
def test_a_tombstone_is_a_null(by_contract: bool) -> None:
    assert reading.shown(Message(None), decoder(), by_contract=by_contract)["value"] is None


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (event(event_id="x"), {**GOOD, "event_id": "x", "amount": None, "payload": None, "trace_id": None}),
        (struct.pack(">bI", 0, 4) + b"\x06foo", "foo"),
        (b'{"a": [1, null]}', {"a": [1, None]}),
        (b'{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        (b"[NaN]", "[NaN]"),
        (b"{oops", "{oops"),
        (b"007", "007"),
        ("grün".encode(), "grün"),
        (b"", ""),
        (b"\xff\x00", {"base64": "/wA="}),
        (struct.pack(">bI", 0, 99) + b"x", "\0\0\0\0cx"),
        (struct.pack(">q", 7), "\0\0\0\0\0\0\0\7"),
    ],
)
def test_a_topic_without_a_contract_is_no_error(raw: bytes, value: object) -> None:
    shown = reading.shown(Message(raw, key=raw), decoder(), by_contract=False)
    assert (shown["value"], shown["key"]) == (value, value)


def test_headers_are_shown_on_request_in_their_order_also_twice_and_empty() -> None:
    message = Message(b"x", headers=[("a", b"1"), ("a", b"\xff"), ("b", None), ("c", b'{"d": 1}')])
    assert "headers" not in reading.shown(message, decoder(), by_contract=False)
    shown = reading.shown(message, decoder(), by_contract=False, headers=True)
    assert shown["headers"] == [["a", "1"], ["a", {"base64": "/w=="}], ["b", None], ["c", {"d": 1}]]


def test_a_time_that_is_none_is_shown_as_its_number() -> None:
    assert reading.shown(Message(b"", timestamp=2**62), decoder(), by_contract=False)["timestamp"] == 2**62


class Log:
    """A consumer over partitions with gaps (markers, compaction); it gives two records a poll."""

    def __init__(self, *partitions: list[Message], ends: tuple[int, ...], places: dict[int, int] | None = None) -> None:
        self.logs = dict(enumerate(partitions))
        self.ends = dict(enumerate(ends))
        self.places = places or {}
        self.positions: dict[Any, int] = {}
        self.polled = 0

    def topics(self) -> set[str]:
        return {"orders"}

    def partitions_for_topic(self, _: str) -> set[int]:
        return set(self.logs)

    def assign(self, partitions: list[Any]) -> None:
        self.positions = {each: self.positions.get(each, 0) for each in partitions}

    def beginning_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return {each: self.ends[each.partition] for each in partitions}

    def committed(self, partition: Any) -> int | None:
        return self.places.get(partition.partition)

    def seek(self, partition: Any, offset: int) -> None:
        self.positions[partition] = offset

    def position(self, partition: Any) -> int:
        return self.positions[partition]

    def poll(self, **_: int) -> dict[Any, list[Message]]:
        found = {}
        for each, position in self.positions.items():
            batch = [message for message in self.logs[each.partition] if message.offset >= position][:2]
            self.polled += len(batch)
            self.positions[each] = batch[-1].offset + 1 if batch else self.ends[each.partition]
            found[each] = batch
        return found


def log(partition: int, *offsets: int, key: bytes = b"k") -> list[Message]:
    return [Message(b"", key=key, partition=partition, offset=at, timestamp=at * 10 + partition) for at in offsets]


def places(consumer: Log, **selection: Any) -> list[tuple[int, int]]:
    found = reading.select(consumer, "orders", reading.Selection(**selection))
    return [(message.partition, message.offset) for message in found]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, [(0, 0), (0, 1), (1, 0), (0, 5), (0, 9)]),
        ({"maximum": 2}, [(0, 0), (0, 1)]),
        ({"partitions": frozenset({1})}, [(1, 0)]),
        ({"start": "5"}, [(0, 5), (0, 9)]),
        ({"last": 2}, [(0, 5), (0, 9)]),
        ({"last": 4}, [(1, 0), (0, 1), (0, 5), (0, 9)]),
        ({"last": 99}, [(0, 0), (1, 0), (0, 1), (0, 5), (0, 9)]),
        ({"last": 1, "partitions": frozenset({1})}, [(1, 0)]),
        ({"group": "g"}, [(1, 0), (0, 5), (0, 9)]),
    ],
)
def test_which_records_are_read(selection: dict[str, Any], expected: list[tuple[int, int]]) -> None:
    """Partition 0 ends with a marker at 20, partition 1 with one at 1."""
    consumer = Log(log(0, 0, 1, 5, 9), log(1, 0), ends=(21, 2), places={0: 5})
    found = places(consumer, **selection)
    assert (sorted(found), found if "last" in selection else expected) == (sorted(expected), expected)


def test_the_last_of_a_key_are_found_behind_others_of_another_key() -> None:
    rare = log(0, 3, key=b"rare")
    consumer = Log([*log(0, *range(3)), *rare, *log(0, *range(4, 200))], ends=(200,))
    assert places(consumer, last=1, key=b"rare") == [(0, 3)]


def test_the_last_of_a_long_topic_are_read_without_reading_all_of_it() -> None:
    consumer = Log(log(0, *range(5000)), ends=(5000,))
    assert places(consumer, last=3) == [(0, 4997), (0, 4998), (0, 4999)]
    assert consumer.polled < 10


@pytest.mark.parametrize(
    ("topic", "selection", "words"),
    [
        ("order", {}, 'no-topic: there is no topic "order"; did you mean orders?'),
        ("orders", {"partitions": frozenset({0, 7})}, "no-partition: orders has no partition 7; it has 0 to 0"),
        ("orders", {"group": "nobody"}, "no-group-place: group nobody has no place in orders"),
    ],
)
def test_what_is_not_there_is_said(topic: str, selection: dict[str, Any], words: str) -> None:
    with pytest.raises(StackError) as caught:
        list(reading.select(Log(log(0, 1), ends=(2,)), topic, reading.Selection(**selection)))
    assert str(caught.value) == words


class Offsets:
    """A consumer that knows two partitions: 0 holds offsets 5-9, 1 is empty."""

    def beginning_offsets(self, _: object) -> dict[int, int]:
        return {0: 5, 1: 0}

    def end_offsets(self, _: object) -> dict[int, int]:
        return {0: 10, 1: 0}

    def offsets_for_times(self, asked: dict[int, int]) -> dict[int, Any]:
        found = type("Found", (), {"offset": 7})()
        return {partition: found if moment < 1000 and partition == 0 else None for partition, moment in asked.items()}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("earliest", {0: 5, 1: 0}),
        ("latest", {0: 10, 1: 0}),
        ("8", {0: 8, 1: 0}),
        ("2", {0: 5, 1: 0}),
        ("99", {0: 10, 1: 0}),
        ("1970-01-01T00:00:00.500Z", {0: 7, 1: 0}),
        ("2026-01-01T00:00:00Z", {0: 10, 1: 0}),
        ("0001-01-01T00:00:00+00:00", {0: 7, 1: 0}),
    ],
)
def test_where_reading_starts(start: str, expected: dict[int, int]) -> None:
    assert reading.start_offsets(Offsets(), [0, 1], start) == expected


@pytest.mark.parametrize("start", ["yesterday", "0001-01-01T00:00:00", "9" * 5000, "\0"])
def test_an_unknown_start_lists_the_forms(start: str) -> None:
    with pytest.raises(StackError, match="unknown-start") as caught:
        reading.start_offsets(Offsets(), [0], start)
    assert "earliest" in (caught.value.hint or "")
