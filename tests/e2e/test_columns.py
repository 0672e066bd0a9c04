"""Every row of the table "Avro type → column" in docs/events-into-a-table.md, and every refusal, on a real stack."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from backbone.events.connectors import columns
from tests.e2e.sink_lab import Lab

if TYPE_CHECKING:
    from tests.e2e.checkout import Checkout

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123_000, tzinfo=UTC)
LOCAL = MOMENT.replace(tzinfo=None)
FINE = MOMENT.replace(microsecond=123_456)
FINE_LOCAL = FINE.replace(tzinfo=None)


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def named(kind: dict[str, Any], name: str) -> dict[str, Any]:
    return {**kind, "connect.name": f"io.debezium.{name}"}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def fixed(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": 4, **more}


def enum(name: str) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": ["A", "B"]}


UUID = "6f1d1d3e-8b1e-4b3c-9a75-000000000001"
STAMP, CLOCK, DAY = logical("long", "timestamp-millis"), logical("int", "time-millis"), logical("int", "date")
MICROS, CLOCK_MICROS = logical("long", "timestamp-micros"), logical("long", "time-micros")
LOCAL_MILLIS = logical("long", "local-timestamp-millis")
MONEY = logical("bytes", "decimal", precision=10, scale=2)

# part → (type, value sent, column, value found)
TAKEN: dict[str, tuple[Any, Any, str, Any]] = {
    "boolean": ("boolean", True, columns.COLUMNS["boolean"], True),
    "int": ("int", -(2**31), columns.COLUMNS["int"], -(2**31)),
    "long": ("long", 2**63 - 1, columns.COLUMNS["long"], 2**63 - 1),
    "float": ("float", 1.5, columns.COLUMNS["float"], 1.5),
    "double": ("double", 1e308, columns.COLUMNS["double"], 1e308),
    "infinity": ("double", float("-inf"), columns.COLUMNS["double"], float("-inf")),
    "string": ("string", "Grüße 🎉 \\ ' \"", columns.COLUMNS["string"], "Grüße 🎉 \\ ' \""),
    "bytes": ("bytes", b"\0\xff", columns.COLUMNS["bytes"], b"\0\xff"),
    "fixed": (fixed("F"), b"abcd", columns.COLUMNS["fixed"], b"abcd"),
    "enum": (enum("E"), "B", columns.COLUMNS["enum"], "B"),
    "uuid": (logical("string", "uuid"), UUID, columns.COLUMNS["uuid"], UUID),
    "decimal": (MONEY, Decimal("-12345678.90"), "numeric(10,2)", Decimal("-12345678.90")),
    "date": (DAY, date(2026, 1, 31), columns.COLUMNS["date"], date(2026, 1, 31)),
    "time": (CLOCK, time(23, 59, 59, 999_000), columns.COLUMNS["time-millis"], time(23, 59, 59, 999_000)),
    "moment": (STAMP, MOMENT, columns.COLUMNS["timestamp-millis"], LOCAL),
    "micros-named": (named(MICROS, "time.MicroTimestamp"), FINE, "timestamp(6) without time zone", FINE_LOCAL),
    "local-named": (named(LOCAL_MILLIS, "time.Timestamp"), LOCAL, "timestamp(6) without time zone", LOCAL),
    "local-micros-named": (
        named(logical("long", "local-timestamp-micros"), "time.MicroTimestamp"),
        FINE_LOCAL,
        "timestamp(6) without time zone",
        FINE_LOCAL,
    ),
    "clock-named": (
        ["null", named(CLOCK_MICROS, "time.MicroTime")],
        time(23, 59, 59, 999_999),
        "time(6) without time zone",
        time(23, 59, 59, 999_999),
    ),
    "json": (named({"type": "string"}, "data.Json"), '{"a": [1, null]}', "json", {"a": [1, None]}),
    "uuid-named": (named(logical("string", "uuid"), "data.Uuid"), UUID, "uuid", uuid.UUID(UUID)),
    "null": (["null", STAMP], None, columns.COLUMNS["timestamp-millis"], None),
    "array-text": (array("string"), ["a", 'b"\\,', ""], "text[]", ["a", 'b"\\,', ""]),
    "array-long": (array(["null", "long"]), [1, None], "bigint[]", [1, None]),
    "array-int": (array("int"), [], "integer[]", []),
    "array-float": (array("float"), [1.5], "real[]", [1.5]),
    "array-boolean": (["null", array("boolean")], [True], "boolean[]", [True]),
    "array-enum": (array(enum("AE")), ["A"], "text[]", ["A"]),
    "array-uuid": (array(logical("string", "uuid")), [UUID], "text[]", [UUID]),
    "array-date": (array(DAY), [date(2026, 1, 1)], "date[]", [date(2026, 1, 1)]),
}

# part → (type, value sent): a dead letter
REFUSED: dict[str, tuple[Any, Any]] = {
    "map": ({"type": "map", "values": "string"}, {"k": "v"}),
    "record": ({"type": "record", "name": "N", "fields": [{"name": "x", "type": "int"}]}, {"x": 1}),
    "union": (["string", "int"], 5),
    "array-array": (array(array("int")), [[1, 2]]),
    "array-record": (array({"type": "record", "name": "M", "fields": [{"name": "x", "type": "int"}]}), [{"x": 1}]),
    "array-decimal": (array(MONEY), [Decimal("1.25")]),
    "array-time": (array(CLOCK), [time(1, 2)]),
    "array-moment": (array(STAMP), [MOMENT]),
    "fixed-decimal": (fixed("D", logicalType="decimal", precision=8, scale=2), Decimal("1.25")),
}

# part → (type, value sent, column, value found): something else than what was sent, without a word
CHANGED: dict[str, tuple[Any, Any, str, Any]] = {
    "micros": (MICROS, MOMENT, "bigint", int(MOMENT.timestamp() * 1000) * 1000),
    "clock-micros": (CLOCK_MICROS, time(0, 0, 1), "bigint", 1_000_000),
    "local": (LOCAL_MILLIS, LOCAL, "bigint", int(MOMENT.timestamp() * 1000)),
    "array-double": (array("double"), [0.1], "double precision[]", [0.10000000149011612]),
    "array-bytes": (array("bytes"), [b"a"], "bytea[]", [b"java.nio.HeapByteBuffer[pos=0 lim=1 cap=1]"]),
}

# part → (the field, the value sent, the column's default)
DEFAULTS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "default-text": ({"type": "string", "default": 'it\'s "x" \\'}, "a", "'it''s \"x\" \\'::text"),
    "default-bytes": ({"type": "bytes", "default": "\u00ff"}, b"a", "'\\xff'::bytea"),
    "default-decimal": ({"type": MONEY, "default": "\u0001\u0002"}, Decimal("1.25"), "2.58"),
    "default-moment": ({"type": STAMP, "default": 7}, MOMENT, "'1970-01-01 00:00:00.007'::timestamp without time zone"),
}
UNDEFAULTED: dict[str, dict[str, Any]] = {
    "default-array": {"type": array("string"), "default": []},
    "default-nan": {"type": "double", "default": "NaN"},
}
NAMES = ("user", "order", "select", "userId", "a" * 63)


def schema(part: str, **field: Any) -> dict[str, Any]:
    name = "R_" + part.replace("-", "_")
    return {"type": "record", "name": name, "fields": [{"name": "id", "type": "string"}, {"name": "v", **field}]}


@pytest.fixture(scope="module")
def lab(data_stack: Checkout) -> Lab:
    """Every case sent, and all of it archived or refused."""
    made = Lab(data_stack, "columns")
    cases: dict[str, tuple[dict[str, Any], Any]] = {
        **{part: (schema(part, type=kind), value) for part, (kind, value, *_) in {**TAKEN, **CHANGED}.items()},
        **{part: (schema(part, type=kind), value) for part, (kind, value) in REFUSED.items()},
        **{part: (schema(part, **field), value) for part, (field, value, _) in DEFAULTS.items()},
        "default-array": (schema("default-array", **UNDEFAULTED["default-array"]), ["a"]),
        "default-nan": (schema("default-nan", **UNDEFAULTED["default-nan"]), 1.0),
    }
    made.make_topics([*cases, "names"])
    sending = {part: [(made.register(part, each), {"id": "one", "v": value})] for part, (each, value) in cases.items()}
    fields = [{"name": "id", "type": "string"}, *({"name": name, "type": "string"} for name in NAMES)]
    names = {"type": "record", "name": "Names", "fields": fields}
    sending["names"] = [(made.register("names", names), {"id": "one", **dict.fromkeys(NAMES, "here")})]
    made.send(sending)
    made.start()
    made.await_all()
    return made


@pytest.mark.parametrize("part", TAKEN)
def test_a_type_has_its_column_and_the_value_that_was_sent(lab: Lab, part: str) -> None:
    kind, _, column, value = TAKEN[part]
    assert list(columns.unfit(schema(part, type=kind))) == []
    assert (lab.column(part), lab.rows(part, "v")) == (column, [(value,)])


@pytest.mark.parametrize("part", REFUSED)
def test_what_no_column_takes_is_a_dead_letter_and_refused_offline(lab: Lab, part: str) -> None:
    assert list(columns.unfit(schema(part, type=REFUSED[part][0])))
    assert (part, 0) in lab.letters()


@pytest.mark.parametrize("part", CHANGED)
def test_what_would_be_changed_in_silence_is_refused_offline(lab: Lab, part: str) -> None:
    kind, _, column, value = CHANGED[part]
    assert list(columns.unfit(schema(part, type=kind)))
    assert (lab.column(part), lab.rows(part, "v")) == (column, [(value,)])


@pytest.mark.parametrize("part", DEFAULTS)
def test_a_default_is_the_columns(lab: Lab, part: str) -> None:
    field, _, expected = DEFAULTS[part]
    assert list(columns.unfit(schema(part, **field))) == []
    query = "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_class c ON c.oid = adrelid WHERE relname = %s"
    with lab.database.connect() as connection:
        assert connection.execute(query, (lab.topic(part),)).fetchone() == (expected,)


@pytest.mark.parametrize("part", UNDEFAULTED)
def test_a_default_that_no_column_has_is_refused_offline(lab: Lab, part: str) -> None:
    assert list(columns.unfit(schema(part, **UNDEFAULTED[part])))
    assert (part, 0) in lab.letters()


def test_a_field_may_be_called_as_words_of_sql(lab: Lab) -> None:
    assert lab.rows("names", ", ".join(f'"{name}"' for name in NAMES)) == [("here",) * len(NAMES)]
