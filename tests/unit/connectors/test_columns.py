"""What a table cannot take of a contract, told at the contract's line before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from backbone.events.connectors import columns
from backbone.events.connectors.files import Connector
from backbone.events.contracts.model import Contract, Version

if TYPE_CHECKING:
    from pathlib import Path

SINK = {
    "connector.class": "backbone.connect.ArchiveSink",
    "topics": "things",
    "primary.key.mode": "record_value",
    "primary.key.fields": "id",
}


def record(*types: Any, **more: Any) -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": kind, **more} for number, kind in enumerate(types)]
    return {"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}, *fields]}


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def named(kind: dict[str, Any], name: str) -> dict[str, Any]:
    return {**kind, "connect.name": f"io.debezium.{name}"}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


FIXED = {"type": "fixed", "name": "F", "size": 4}
ENUM = {"type": "enum", "name": "E", "symbols": ["A"]}
NESTED = {"type": "record", "name": "N", "fields": [{"name": "x", "type": "int"}]}


@pytest.mark.parametrize(
    "kind",
    [
        "string",
        {"type": "string"},
        ["null", "double"],
        FIXED,
        ENUM,
        logical("string", "uuid"),
        logical("int", "date"),
        logical("int", "time-millis"),
        ["null", logical("long", "timestamp-millis")],
        logical("bytes", "decimal", precision=38, scale=2),
        array("string"),
        array(["null", "long"]),
        array(ENUM),
        array(logical("int", "date")),
        ["null", array("boolean")],
        named(logical("long", "timestamp-micros"), "time.MicroTimestamp"),
        ["null", named(logical("long", "local-timestamp-micros"), "time.MicroTimestamp")],
        named(logical("long", "local-timestamp-millis"), "time.Timestamp"),
        named(logical("long", "time-micros"), "time.MicroTime"),
        named({"type": "string"}, "data.Json"),
        named(logical("string", "uuid"), "data.Uuid"),
    ],
)
def test_what_a_column_takes(kind: Any) -> None:
    assert list(columns.unfit(record(kind))) == []


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ({"name": "Envelope"}, True),
        ({"name": "OrderEnvelope", "namespace": "shop"}, True),
        ({"name": "Envelope", "namespace": "shop"}, False),
        ({"name": "shop.Envelope"}, False),
        ({"name": "TableSchemaChangeValue"}, False),
    ],
)
def test_what_debezium_takes_for_its_own_is_told(name: dict[str, str], fits: bool) -> None:
    found = list(columns.unfit(record("string") | name))
    assert [place for place, _ in found] == ([] if fits else [["name"]])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"type": "map", "values": "int"}, "a map"),
        (["null", {"type": "map", "values": "int"}], "a map"),
        (NESTED, "a record inside"),
        (["null", "R"], "a record inside"),
        (["string", "int"], "a union of 2 types"),
        (["null", "string", "int"], "a union of 2 types"),
        (array(NESTED), "an array of a record"),
        (array(array("int")), "an array of array"),
        (array("bytes"), "an array of bytes"),
        (array(["null", "double"]), "an array of double"),
        (array(FIXED), "an array of fixed"),
        (array(named({"type": "string"}, "data.Json")), "an array of string"),
        (array(named(logical("long", "timestamp-micros"), "time.MicroTimestamp")), "an array of timestamp-micros"),
        (named(logical("long", "timestamp-micros"), "time.MicroTime"), "bare bigint"),
        (logical("long", "time-micros"), 'add "connect.name": "io.debezium.time.MicroTime", take time-millis'),
        (named(logical("long", "timestamp-nanos"), "time.NanoTimestamp"), "bare bigint"),
        (named({"type": "long"}, "time.NanoTimestamp"), "not known to make a column"),
        (["null", named({"type": "int"}, "data.Json")], "io.debezium.data.Json beside int is not known"),
        (array(["null", "bytes"]), "an array of bytes"),
        (array(logical("bytes", "decimal", precision=4, scale=2)), "an array of decimal"),
        (array(logical("long", "timestamp-millis")), "an array of timestamp-millis"),
        (array(logical("long", "timestamp-micros")), "an array of timestamp-micros would be"),
        (logical("long", "timestamp-micros"), 'bare bigint; add "connect.name"'),
        (["null", logical("long", "time-micros")], 'bare bigint; add "connect.name"'),
        (logical("long", "local-timestamp-millis"), "bare bigint"),
        ({**FIXED, "logicalType": "decimal", "precision": 8, "scale": 2}, "decimal of fixed size"),
        (logical("bytes", "decimal", precision=39, scale=2), "more than 38 digits"),
    ],
)
def test_what_no_column_takes(kind: Any, words: str) -> None:
    ((steps, said),) = columns.unfit(record(kind))
    assert steps == ["fields", 1]
    assert words in said


def test_a_name_of_somebody_elses_says_nothing_of_columns_and_a_named_type_has_no_default() -> None:
    assert list(columns.unfit(record({**ENUM, "connect.name": "com.example.State"}))) == []
    ((_, said),) = columns.unfit(record(named({"type": "string"}, "data.Json"), default="{}"))
    assert "a default of io.debezium.data.Json" in said
    assert list(columns.unfit(record(["null", named({"type": "string"}, "data.Json")], default=None))) == []


def test_a_type_used_by_name_is_the_type_that_was_defined() -> None:
    assert list(columns.unfit(record(ENUM, "E"))) == []
    assert [steps for steps, _ in columns.unfit(record(FIXED, array("F")))] == [["fields", 2]]


def test_defaults_and_names_that_no_column_has() -> None:
    assert "array with a default" in next(columns.unfit(record(array("string"), default=[])))[1]
    assert "NaN" in next(columns.unfit(record("double", default="NaN")))[1]
    assert not list(columns.unfit(record("string", default="x'y")))
    for name, words in (("a" * 64, "longer than the 63"), ("ctid", "PostgreSQL has in every table")):
        schema = {"type": "record", "name": "R", "fields": [{"name": name, "type": "int"}]}
        assert words in next(columns.unfit(schema))[1]


def contract(tmp_path: Path, schema: dict[str, Any], topic: str = "things") -> Contract:
    text = json.dumps(schema, indent=1)
    version = Version(1, tmp_path / "v1.avsc", text, schema)
    return Contract(f"{topic}-value", tmp_path / "contract.yml", topic, "id", "o", "d", "NONE", (), (version,))


def test_only_what_a_sink_reads_is_judged_and_the_line_is_named(tmp_path: Path) -> None:
    schema = record("string", {"type": "map", "values": "int"})
    read, unread = contract(tmp_path, schema), contract(tmp_path, schema, "others")
    source = Connector("cdc", "", optional=True, config={"connector.class": "io.debezium.PostgresConnector"})
    sink = Connector("archive", "", optional=False, config=SINK)
    (finding,) = columns.check([read, unread], [source, sink])
    assert (finding.file.name, finding.rule) == ("v1.avsc", "table")
    assert '"f1"' in read.latest.text.splitlines()[finding.line]
    assert "archive cannot archive this: f1: a map" in finding.message


def test_a_pattern_reads_topics_too_and_json_schema_is_read_by_no_table(tmp_path: Path) -> None:
    config = {**SINK, "topics": "", "topics.regex": "thi.*"}
    sink = Connector("archive", "", optional=False, config=config)
    json_schema = {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {}}
    (finding,) = columns.check([contract(tmp_path, json_schema)], [sink])
    assert "JSON Schema" in finding.message


@pytest.mark.parametrize("key", ["f0", "missing"])
def test_a_primary_key_always_has_a_value(tmp_path: Path, key: str) -> None:
    sink = Connector("archive", "", optional=False, config={**SINK, "primary.key.fields": key})
    (finding,) = columns.check([contract(tmp_path, record(["null", "string"]))], [sink])
    assert f"primary key '{key}'" in finding.message
