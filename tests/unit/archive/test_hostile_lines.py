"""`produce` and lines that nobody should send: each fault is named by line and field, and nothing ends otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest

from backbone.errors import StackError
from backbone.events import records
from backbone.events.contracts.jsonschemas import JsonConverter
from backbone.events.contracts.model import Contract, Version
from backbone.events.contracts.values import Converter, to_json
from backbone.events.contracts.wire import Decoder, Encoder

LINES = 10_000


def _decimal(kind: str, **more: object) -> dict[str, Any]:
    return {"type": kind, "logicalType": "decimal", "precision": 6, "scale": 2, **more}


def _long(logical: str) -> dict[str, str]:
    return {"type": "long", "logicalType": logical}


TYPES: dict[str, Any] = {
    "id": "string",
    "flag": "boolean",
    "small": "int",
    "big": "long",
    "single": "float",
    "double": "double",
    "raw": "bytes",
    "hash": {"type": "fixed", "name": "Hash", "size": 4},
    "state": {"type": "enum", "name": "State", "symbols": ["OPEN", "DONE"]},
    "price": _decimal("bytes"),
    "fixed_price": _decimal("fixed", name="Price", size=8),
    "uuid": {"type": "string", "logicalType": "uuid"},
    "day": {"type": "int", "logicalType": "date"},
    "clock": {"type": "int", "logicalType": "time-millis"},
    "fine_clock": _long("time-micros"),
    "at": _long("timestamp-millis"),
    "fine_at": _long("timestamp-micros"),
    "local_at": _long("local-timestamp-millis"),
    "tags": {"type": "array", "items": "string"},
    "sizes": {"type": "map", "values": "long"},
    "maybe": ["null", "double"],
    "either": ["int", "string", {"type": "record", "name": "Pair", "fields": [{"name": "left", "type": "int"}]}],
    "parent": ["null", "Rich"],
}
DEFAULTS: dict[str, Any] = {
    "raw": "\u00ff\u0000", "hash": "\u0000\u0001\u00fe\u00ff", "price": "\u0000\u00c8",
    "fixed_price": "\u0000" * 7 + "\u0001",
    "maybe": None, "either": 7, "parent": None, "tags": [], "sizes": {}, "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "day": 0, "at": -1,
}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Rich",
    "fields": [
        {"name": name, "type": kind, **({"default": DEFAULTS[name]} if name in DEFAULTS else {})}
        for name, kind in TYPES.items()
    ],
}
GOOD: dict[str, Any] = {
    "id": "i", "flag": True, "small": 1, "big": 2**62, "single": 0.5, "double": 0.1, "raw": "AAE=", "hash": "AAECAw==",
    "state": "OPEN", "price": "1234.50", "fixed_price": "-0.01", "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "day": "2026-01-31", "clock": "12:00:00.123", "fine_clock": "23:59:59.999999", "at": "2026-01-31T12:00:00.123Z",
    "fine_at": "2026-01-31T12:00:00.123456+02:00", "local_at": "2026-01-31T12:00:00", "tags": ["ä", ""],
    "sizes": {"x": 1}, "maybe": 1.5, "either": {"left": 1},
}  # fmt: skip


def _texts(field: str, *texts: str) -> list[tuple[str, str, str]]:
    return [(field, json.dumps(text), field) for text in texts]


BAD: list[tuple[str, str, str]] = [
    # field, its JSON text, where the fault is named
    *((field, "{}", field) for field in TYPES if field not in ("sizes", "parent", "either")),
    ("parent", "{}", "parent.id"),
    ("either", '{"left": "x"}', "either.left"),
    ("either", "1.5", "either"),
    ("id", '""', "id"),
    ("id", '"\\ud800"', "id"),
    ("id", "1", "id"),
    ("small", "2147483648", "small"),
    ("small", "1.0", "small"),
    ("big", "9" * 5000, "big"),
    ("big", "-" + "9" * 300, "big"),
    ("big", "true", "big"),
    ("single", "1e39", "single"),
    ("single", "16777217", "single"),
    ("single", "NaN", "single"),
    ("double", "1e999", "double"),
    ("double", "-Infinity", "double"),
    ("double", "9" * 400, "double"),
    ("double", "9007199254740993", "double"),
    ("double", '"1.5"', "double"),
    ("raw", '"\u00ff"', "raw"),
    ("raw", "null", "raw"),
    ("hash", '"AAE="', "hash"),
    ("state", '"GONE"', "state"),
    *_texts("price", "1.005", "12345", "NaN", "1e5", "٣", "1_0", " 1", "9" * 5000, ""),
    ("price", "1.5", "price"),
    ("fixed_price", '"10000"', "fixed_price"),
    ("uuid", '"urn:uuid:123e4567-e89b-12d3-a456-426614174000"', "uuid"),
    *_texts("day", "2026-02-30", "2026-W01-1", "20260131", "0000-01-01", "10000-01-01"),
    ("clock", '"12:00:00.1234"', "clock"),
    ("clock", '"12:00:00+02:00"', "clock"),
    ("clock", '"24:30:00"', "clock"),
    ("fine_clock", '"12:00:00.0000001"', "fine_clock"),
    *_texts("at", "2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00", "2026-01-31T25:00:00Z"),
    ("fine_at", '"2026-01-31T12:00:00.1234567Z"', "fine_at"),
    ("local_at", '"2026-01-31T12:00:00Z"', "local_at"),
    ("tags", '["a", 1]', "tags[1]"),
    ("tags", '["a", "\\udfff"]', "tags[1]"),
    ("sizes", '{"a": 1, "a": 2}', "sizes.a"),
    ("sizes", '{"a": "x"}', "sizes.a"),
    ("sizes", '{"\\ud800": 1}', 'sizes."\\ud800"'),
    ("stranger", "1", "stranger"),
    ("\u001b[31m", "1", '"\\u001b[31m"'),
    ("tags", "[" * 500 + "]" * 500, "tags"),
]  # fmt: skip
NO_JSON = [
    b"{",
    b"[1",
    b"nul",
    b"\xff\xfe{}",
    b'"\xc3',
    b"{} {}",
    b"'x'",
    b"{'a': 1}",
    b"[" * 100_000,
    b"1" * 5000 + b"x",
]


@pytest.fixture
def codec() -> records.Codec:
    version = Version(1, Path("v1.avsc"), json.dumps(SCHEMA), SCHEMA)
    contract = Contract("rich-value", Path(), "rich", "id", "us", "Rich.", "BACKWARD", (), (version,))
    return records.Codec(contract, Converter(SCHEMA), Encoder(7, SCHEMA))


def _line(changes: dict[str, str]) -> bytes:
    fields = {name: json.dumps(value, ensure_ascii=False) for name, value in GOOD.items()} | changes
    return ("{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in fields.items()) + "}").encode()


def test_a_line_with_every_type_is_read_back_as_it_was(codec: records.Codec) -> None:
    ((_, record, violations),) = records.read([_line({})], codec)
    assert violations == []
    assert record is not None
    back = to_json(Decoder({7: SCHEMA}.get).decode(record.value))
    expected = {**GOOD, "fine_at": "2026-01-31T10:00:00.123456Z", "parent": None, "fine_clock": "23:59:59.999999"}
    assert {
        **back,
        "at": back["at"].replace("123000", "123"),
        "clock": back["clock"].replace("123000", "123"),
    } == expected


def test_every_kind_of_default_is_written(codec: records.Codec) -> None:
    given = {name: value for name, value in GOOD.items() if name not in DEFAULTS}
    ((_, record, violations),) = records.read([json.dumps(given).encode()], codec)
    assert violations == []
    assert record is not None
    back = to_json(Decoder({7: SCHEMA}.get).decode(record.value))
    assert {name: back[name] for name in DEFAULTS} == {
        "raw": "/wA=", "hash": "AAH+/w==", "price": "2.00", "fixed_price": "0.01", "maybe": None, "either": 7,
        "parent": None, "tags": [], "sizes": {}, "uuid": DEFAULTS["uuid"], "day": "1970-01-01",
        "at": "1969-12-31T23:59:59.999000Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999-14:00",
        "0001-01-01T00:00:00Z",
        "2026-01-31 12:00:00.100000z",
    ],
)
def test_the_ends_of_time_are_kept(codec: records.Codec, text: str) -> None:
    ((_, record, violations),) = records.read([_line({"at": json.dumps(text)})], codec)
    assert violations == []
    assert record is not None
    Decoder({7: SCHEMA}.get).decode(record.value)


@pytest.mark.parametrize(("field", "text", "place"), BAD, ids=lambda value: str(value)[:30])
def test_a_fault_is_named_by_its_field(codec: records.Codec, field: str, text: str, place: str) -> None:
    ((number, record, violations),) = records.read([_line({field: text})], codec)
    assert (number, record) == (1, None)
    assert place in [violation.field for violation in violations] or violations[0].field.startswith(f"{place}[")
    for violation in violations:
        assert str(violation).isprintable()
        assert len(str(violation)) < 1000


def test_ten_thousand_hostile_lines_are_judged_each_at_its_line_and_field(codec: records.Codec) -> None:
    """Some faults a line, some lines with noise, some sound; what was planted is what is found."""
    random = Random(4711)
    lines: list[bytes] = []
    expected: list[tuple[set[str], bool]] = []
    for _ in range(LINES):
        roll = random.random()
        if roll < 0.2:
            lines.append(_line({}))
            expected.append((set(), True))
        elif roll < 0.3:
            lines.append(random.choice(NO_JSON))
            expected.append(({""}, False))
        elif roll < 0.4:
            noise = bytearray(_line({}))
            noise[random.randrange(len(noise))] = random.randrange(256)
            lines.append(bytes(noise).replace(b"\n", b" "))
            expected.append((set(), False))
        else:
            planted = {fault[0]: fault for fault in random.sample(BAD[:-1], random.randint(1, 3))}
            lines.append(_line({field: text for field, text, _ in planted.values()}))
            expected.append(({place for *_, place in planted.values()}, False))
    found = {number: (record, violations) for number, record, violations in records.read(lines, codec)}
    for number, (places, sound) in enumerate(expected, 1):
        record, violations = found[number]
        assert (record is not None) == (not violations)
        assert places <= {violation.field for violation in violations}, (lines[number - 1][:200], violations)
        assert not sound or record is not None


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"id": "x", "n": NaN}', ["n"]),
        ('{"id": "x", "n": %s}' % ("9" * 5000), ["n"]),
        ('{"id": "\\ud800"}', ["id"]),
        ('{"id": "x", "\\ud800": 1}', ['"\\ud800"']),
        ('{"id": "x", "id": "y"}', ["id"]),
        ('{"id": ""}', ["id"]),
        ("[NaN]", ["[0]", ""]),
    ],
)
def test_a_line_of_json_schema_is_told_by_the_field_alone(text: str, places: list[str]) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"id": {"type": "string"}, "n": {"type": "number"}},
        "required": ["id"],
        "additionalProperties": False,
    }
    version = Version(1, Path("v1.json"), json.dumps(schema), schema)
    contract = Contract("plain-value", Path(), "plain", "id", "us", "Plain.", "BACKWARD", (), (version,))
    codec = records.Codec(contract, JsonConverter(schema), Encoder(8, schema))
    ((_, record, violations),) = records.read([text.encode()], codec)
    assert record is None
    assert [violation.field for violation in violations] == places


def test_the_task_shows_twenty_and_counts_the_rest(codec: records.Codec) -> None:
    with pytest.raises(StackError, match="30 of 30 records break rich-value v1") as caught:
        records.judge([_line({"small": "null"})] * 30, codec)
    shown = (caught.value.context or "").splitlines()
    assert shown[0] == "line 1: small: expected a whole number, found null"
    assert (len(shown), shown[-1]) == (21, "and 10 more")


def test_a_record_above_the_topics_limit_is_named_before_anything_is_sent(codec: records.Codec) -> None:
    lines = [_line({}), _line({"tags": json.dumps(["x" * 5000])})]
    with pytest.raises(StackError) as caught:
        records.judge(lines, codec, limit=2000)
    (only,) = (caught.value.context or "").splitlines()
    assert only.startswith("line 2: the record would take 5,")
    assert only.endswith("bytes; rich takes 2,000 (max.message.bytes)")


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(codec: records.Codec) -> None:
    assert records.judge([b"\xef\xbb\xbf" + _line({}) + b"\r\n", b"\r\n", _line({})], codec) == 2


def test_an_input_that_changes_between_its_two_readings_is_not_sent(codec: records.Codec) -> None:
    inputs = [[_line({})], [_line({"small": "null"})]]
    topic: list[bytes] = []

    class Sender:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def send(self, key: bytes, value: bytes) -> None:
            topic.append(key + value)

    with pytest.raises(StackError, match="input-changed"):
        records.produce(lambda: inputs.pop(0), codec, Sender)
    assert topic == []


def test_an_endless_line_is_told_and_the_next_one_is_read(tmp_path: Path, codec: records.Codec) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b'"' + b"x" * (40 * 1024 * 1024) + b'"\n' + _line({}))
    (first, second) = records.read(records.lines(file), codec)
    assert first[2] == [("", "longer than 16 MiB")]
    assert second[1] is not None
