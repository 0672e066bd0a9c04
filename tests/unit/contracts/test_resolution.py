"""Schema resolution: what the Avro specification says of a reader and a writer, case by case and on data."""

from __future__ import annotations

import copy
import io
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import fastavro
import pytest

from backbone.events.contracts import avrotypes, resolution
from tests.avropairs import triple
from tests.avrovalues import value_of

if TYPE_CHECKING:
    from backbone.events.contracts.resolution import Place

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def record(name: str = "Order", aliases: tuple[str, ...] = (), **fields: object) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "record",
        "name": name,
        "fields": [{"name": n, "type": t} for n, t in fields.items()],
    }
    return {**made, "aliases": list(aliases)} if aliases else made


def enum(*symbols: str, **more: object) -> dict[str, Any]:
    return {"type": "enum", "name": "State", "symbols": list(symbols), **more}


def fixed(size: int, name: str = "Hash") -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def reasons(reader: object, writer: object) -> list[tuple[Place, str]]:
    found = resolution.breaks(avrotypes.read(reader), avrotypes.read(writer))
    return [(each.place, each.reason) for each in found]


LINKED = record(value="int", next=["null", "Order"])


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        ("long", "int"),
        ("float", "long"),
        ("double", "float"),
        ("bytes", "string"),
        ("string", "bytes"),
        (["null", "int", "string"], ["null", "int"]),
        (["null", "int"], "int"),
        ("int", ["int"]),
        (["string", "double"], "int"),
        (record("Order", a="int"), record("shop.Order", a="int")),
        (record("Bill", ("Order",), a="int"), record("Order", a="int")),
        (record("shop.Bill", ("Order",), a="int"), record("shop.Order", a="int")),
        (["null", record("Bill", ("Order",), a="int")], ["null", record("Order", a="int")]),
        (record(part=record("B", ("A",), x="int")), record(part=record("A", x="long", y="int") | record("A", x="int"))),
        (record(a="int"), record(a="int", b="string")),
        (enum("A", "B"), enum("A")),
        (enum("A", default="A"), enum("A", "B")),
        (LINKED, LINKED),
        (record(order="Order"), record(order="Order")),
        (record(value="long", next=["null", "Order"]), LINKED),
        ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
        ({"type": "string", "logicalType": "nobody-knows"}, "string"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 5}, "bytes"),
        (decimal(9, 2), decimal(9, 2)),
    ],
)
def test_what_the_specification_lets_a_reader_read(reader: object, writer: object) -> None:
    assert reasons(reader, writer) == []


@pytest.mark.parametrize(
    ("reader", "writer", "place", "words"),
    [
        ("int", "long", (), "it was long and is int"),
        ("int", ["null", "int"], (), "it was null and is int"),
        (["null", "int"], ["null", "int", "string"], (), "string is not in the union [null, int]"),
        (record(a="int"), record(b="int"), ("a",), "no default"),
        (record("Bill"), record("Order"), (), "renamed from Order to Bill"),
        (enum("A"), enum("A", "B"), (), "the enum does not know B and has no default"),
        (fixed(4), fixed(8), (), "had 8 bytes and has 4"),
        (fixed(8, "Sum"), fixed(8), (), "renamed from Hash to Sum"),
        (record(m={"type": "map", "values": decimal(9, 3)}), record(m={"type": "map", "values": decimal(9, 2)}),
         ("m", "{}"), "from decimal(9, 2) to decimal(9, 3)"),
        (["null", "string", decimal(9, 3)], ["null", "string", decimal(9, 2)], (), "decimal(9, 2)"),
        (record(a={"type": "array", "items": MICROS}), record(a={"type": "array", "items": MILLIS}),
         ("a", "[]"), "from timestamp-millis to timestamp-micros"),
        (["null", record(at=MICROS)], ["null", record(at=MILLIS)], ("at",), "from timestamp-millis"),
        (record(at=MICROS), record(at="long"), ("at",), "from a plain value to timestamp-micros"),
        (["null", record(a="int")], ["null", record(a="string")], ("a",), "it was string and is int"),
        (record(value="string", next=["null", "Order"]), LINKED, ("value",), "it was int and is string"),
    ],
)  # fmt: skip
def test_what_a_reader_cannot_read_is_named_with_its_place(
    reader: object, writer: object, place: Place, words: str
) -> None:
    ((where, reason),) = reasons(reader, writer)
    assert (where, words in reason) == (place, True), reason


def test_a_field_that_two_of_the_writer_would_fill_is_refused() -> None:
    reader = record(a="int")
    reader["fields"][0]["aliases"] = ["b"]
    ((place, reason),) = reasons(reader, record(a="int", b="int"))
    assert (place, reason) == (("a",), "a and b would both be read into it, by its name and its aliases")


def test_two_records_that_rely_on_each_other_are_not_taken_on_trust() -> None:
    """A's union holds B, B's holds A; what makes B unreadable comes only after A has relied on it."""

    def pair(kind: str) -> dict[str, Any]:
        b = record("B", a=["null", "A"], x=kind)
        return record("A", b=["null", b])

    assert reasons(pair("string"), pair("int")) == [(("b", "x"), "it was int and is string")]
    either = record("Top", first=["null", pair("string")], again=["null", "A"])
    assert reasons(either, record("Top", first=["null", pair("int")], again=["null", "A"]))


@pytest.mark.parametrize("seed", range(200))
def test_what_is_judged_readable_is_read_by_an_implementation(seed: int) -> None:
    """Data of each version is read with each other one wherever we say so, by fastavro: no code of ours is in it."""
    versions = triple(Random(seed))
    for writer in versions:
        data = []
        for number in range(8):
            with suppress(RecursionError):  # a record that is its own only way has no value
                data.append(value_of(avrotypes.read(writer), Random(seed * 100 + number)))
        for reader in versions:
            if not reasons(reader, writer):
                for value in data:
                    _read_with(reader, writer, value)


def _read_with(reader: object, writer: object, value: object) -> None:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, copy.deepcopy(writer), value)  # type: ignore[arg-type]
    buffer.seek(0)
    fastavro.schemaless_reader(buffer, copy.deepcopy(writer), copy.deepcopy(reader))  # type: ignore[arg-type]
