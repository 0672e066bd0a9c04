"""Values and bytes: JSON into a contract's types, the Confluent wire format, and back."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.errors import StackError
from backbone.events.contracts.values import Converter, to_json
from backbone.events.contracts.wire import Decoder, Encoder
from tests import ROOT
from tests.unit.contracts.conftest import field, record

EVENT: dict[str, Any] = json.loads((ROOT / "schemas/contracts/events-topic-value/v2.avsc").read_text())
GOOD = {
    "event_id": "e1",
    "event_type": "order.placed",
    "source": "shop",
    "occurred_at": "2026-01-31T12:00:00Z",
}


def reasons(schema: object, value: object) -> list[str]:
    return [str(violation) for violation in Converter(schema).convert(value)[1]]


def test_header_is_byte_zero_and_the_id_then_the_avro_specifications_own_bytes() -> None:
    schema = record(field("order_id"), field("total", "long"))
    assert Encoder(258, schema).encode({"order_id": "foo", "total": 64}) == b"\0\0\0\1\2\x06foo\x80\x01"


def test_what_is_encoded_is_read_back_as_it_was_with_defaults_filled_in() -> None:
    value, violations = Converter(EVENT).convert(GOOD)
    assert violations == []
    decoded = Decoder({3: EVENT}.get).decode(Encoder(3, EVENT).encode(value))
    assert to_json(decoded) == {**GOOD, "amount": None, "payload": None, "trace_id": None}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_id": 7}, "event_id: expected text, found 7"),
        ({"event_id": None}, "event_id: expected text, found null"),
        ({"occurred_at": "yesterday"}, "occurred_at: expected a moment with its zone"),
        ({"occurred_at": "2026-01-31T12:00:00"}, "occurred_at: expected a moment with its zone"),
        ({"occurred_at": True}, "occurred_at: expected a whole number, found true"),
        ({"occurred_at": 2**63}, "occurred_at: 9223372036854775808 does not fit into 64 bits"),
        ({"amount": "12"}, 'amount: expected a number, found "12", or null'),
        ({"sorce": "x"}, "sorce: is not in the contract; did you mean 'source'?"),
        ({"event_id": "a" * 99, "amount": []}, "amount: expected a number, found [], or null"),
    ],
)
def test_a_violation_names_its_field(change: dict[str, object], reason: str) -> None:
    found = reasons(EVENT, {**GOOD, **change})
    assert len(found) == 1
    assert found[0].startswith(reason)


def test_a_missing_field_and_a_value_that_is_no_record_are_told_apart() -> None:
    assert reasons(EVENT, {k: v for k, v in GOOD.items() if k != "source"}) == ["source: is missing and has no default"]
    assert reasons(EVENT, [1]) == ["expected an object, found [1]"]


NESTED = record(
    field("tags", {"type": "array", "items": "string"}),
    field("sizes", {"type": "map", "values": "int"}),
    field("state", {"type": "enum", "name": "State", "doc": "S.", "symbols": ["OPEN", "DONE"]}),
    field("hash", {"type": "fixed", "name": "Hash", "size": 4}),
    field("price", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
    field("day", {"type": "int", "logicalType": "date"}),
    field("parent", ["null", "Order"], default=None),
    field("either", ["int", "boolean"], default=0),
)
NESTED_GOOD = {
    "tags": ["a"],
    "sizes": {"x": 1},
    "state": "OPEN",
    "hash": "AAECAw==",
    "price": "12.50",
    "day": "2026-01-31",
    "either": True,
}


def test_every_kind_of_type_goes_there_and_back() -> None:
    value, violations = Converter(NESTED).convert({**NESTED_GOOD, "parent": NESTED_GOOD})
    assert violations == []
    back = to_json(Decoder({1: NESTED}.get).decode(Encoder(1, NESTED).encode(value)))
    assert back == {**NESTED_GOOD, "parent": {**NESTED_GOOD, "parent": None}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tags": ["a", 1]}, "tags[1]: expected text, found 1"),
        ({"tags": "a"}, "tags: expected an array"),
        ({"sizes": {"x": 2**31}}, "sizes.x: 2147483648 does not fit into 32 bits"),
        ({"sizes": []}, "sizes: expected an object"),
        ({"state": "GONE"}, "state: expected one of OPEN, DONE"),
        ({"hash": "AAA="}, "hash: expected 4 bytes, found 2"),
        ({"hash": "!"}, "hash: expected base64 text"),
        ({"price": "cheap"}, "price: expected a decimal number"),
        ({"day": "31.1.2026"}, "day: expected a date"),
        ({"parent": {}}, "parent.tags: is missing and has no default"),
        ({"either": "x"}, 'either: "x" fits none of the 2 types'),
    ],
)
def test_a_violation_in_a_part_names_its_way(change: dict[str, object], reason: str) -> None:
    assert reasons(NESTED, {**NESTED_GOOD, **change})[0].startswith(reason)


@pytest.mark.parametrize(
    ("raw", "reference", "words"),
    [
        (b'{"a": 1}', "not-confluent-wire", "looks like JSON"),
        (b"poison", "not-confluent-wire", "no registry serializer"),
        (b"\0\0\0\0\1", "not-confluent-wire", "too short"),
        (struct.pack(">bI", 0, 99) + b"x", "unknown-schema-id", "invoke contracts drift"),
        (struct.pack(">bI", 0, 3) + b"\xff\xff", "undecodable", ""),
    ],
)
def test_poison_is_recognised(raw: bytes, reference: str, words: str) -> None:
    with pytest.raises(StackError) as caught:
        Decoder({3: EVENT}.get).decode(raw)
    assert caught.value.reference == reference
    assert words in (caught.value.hint or "")


def test_bytes_after_a_record_are_poison_too() -> None:
    value, _ = Converter(EVENT).convert(GOOD)
    with pytest.raises(StackError, match="2 bytes are left"):
        Decoder({3: EVENT}.get).decode(Encoder(3, EVENT).encode(value) + b"xx")


@given(st.binary(max_size=80))
def test_no_bytes_whatever_make_the_decoder_fail_otherwise(tail: bytes) -> None:
    try:
        decoded = Decoder({3: EVENT}.get).decode(struct.pack(">bI", 0, 3) + tail)
    except StackError:
        return
    assert set(decoded) == {each["name"] for each in EVENT["fields"]}


@given(
    st.fixed_dictionaries(
        {
            "event_id": st.text(),
            "event_type": st.text(),
            "source": st.text(),
            "occurred_at": st.integers(0, 2**41),
        },
        optional={"amount": st.none() | st.floats(allow_nan=False), "payload": st.none() | st.text()},
    )
)
def test_every_valid_event_survives_the_wire(event: dict[str, Any]) -> None:
    value, violations = Converter(EVENT).convert(event)
    assert violations == []
    encoder = Encoder(3, EVENT)
    decoded = Decoder({3: EVENT}.get).decode(encoder.encode(value))
    assert encoder.encode(decoded) == encoder.encode(value)
