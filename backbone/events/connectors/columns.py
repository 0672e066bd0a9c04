"""Which column of PostgreSQL the sink makes of each type of a contract, and what no column can take.

By evidence, not by promise: what Debezium's JDBC sink 3.6 does behind Apicurio's Avro converter 2.6. Every row of
COLUMNS, and every refusal, is held by tests/e2e/test_columns.py on a real stack.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone.events.contracts.model import Finding
from backbone.events.contracts.positions import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from backbone.events.connectors.files import Connector
    from backbone.events.contracts.model import Contract, Version
    from backbone.events.contracts.positions import Step

Json: TypeAlias = Any
"""A part of an Avro schema as JSON."""

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "boolean": "boolean",
        "int": "integer",
        "long": "bigint",
        "float": "real",
        "double": "double precision",
        "string": "text",
        "bytes": "bytea",
        "fixed": "bytea",
        "enum": "text",
        "uuid": "text",
        "decimal": "numeric(precision,scale)",
        "date": "date",
        "time-millis": "time(6) without time zone",
        "timestamp-millis": "timestamp(6) without time zone",
    }
)
"""Type or logical type → column. A union with null is the same column, nullable; an array of one is `type[]`."""

_NAME = "connect.name"
_OF_PRODUCTS = ("io.debezium.", "org.apache.kafka.connect.")
_DEBEZIUM = "io.debezium"
NAMED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("timestamp-micros", f"{_DEBEZIUM}.time.MicroTimestamp"): "timestamp(6) without time zone",
        ("local-timestamp-millis", f"{_DEBEZIUM}.time.Timestamp"): "timestamp(6) without time zone",
        ("local-timestamp-micros", f"{_DEBEZIUM}.time.MicroTimestamp"): "timestamp(6) without time zone",
        ("time-micros", f"{_DEBEZIUM}.time.MicroTime"): "time(6) without time zone",
        ("string", f"{_DEBEZIUM}.data.Json"): "json",
        ("uuid", f"{_DEBEZIUM}.data.Uuid"): "uuid",
    }
)
"""(Type or logical type, its `connect.name`) → column. The converter hands this name on, and drops the logical types
among these; Debezium goes by the name (docs/adr/0133)."""

_SCALARS = frozenset({"boolean", "int", "long", "float", "double", "string", "bytes"})
_LOSSY = MappingProxyType(
    {
        "time-micros": "time-millis",
        "timestamp-micros": "timestamp-millis",
        "timestamp-nanos": "timestamp-millis",
        "local-timestamp-millis": "timestamp-millis",
        "local-timestamp-micros": "timestamp-millis",
        "local-timestamp-nanos": "timestamp-millis",
    }
)
"""Logical types that the converter drops, so that the column would be a bare bigint, and what to take instead of them
or to name them (NAMED)."""

# Of bytes the sink stores Java's name of the buffer and of double half the digits, in silence; for the others the
# driver knows no array.
_NO_ITEMS = frozenset({"bytes", "fixed", "double", "decimal", "time-millis", "timestamp-millis"})
_MOST_DIGITS = 38  # of a numeric column that Hibernate makes
_LONGEST_NAME = 63  # bytes; PostgreSQL cuts what is longer (NAMEDATALEN)
_SYSTEM = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_AS_TEXT = "make it a string with JSON text"
_NESTED = MappingProxyType({"record": "a record inside a record", "error": "a record inside a record", "map": "a map"})
_TABLES = ("ArchiveSink", "JdbcSinkConnector")


def check(contracts: Iterable[Contract], connectors: Iterable[Connector]) -> list[Finding]:
    """Return what the tables of the connectors cannot take of the contracts whose topics they read."""
    sinks = [each for each in connectors if each.config["connector.class"].endswith(_TABLES)]
    return [
        Finding(version.file, line_of(version.text, steps), "table", f"{sink.name} cannot archive this: {words}")
        for contract in contracts
        for sink in sinks
        if sink.reads(contract.topic)
        for version in contract.versions
        for steps, words in _version(version, sink)
    ]


def _version(version: Version, sink: Connector) -> Iterator[tuple[list[Step], str]]:
    if version.is_json:
        yield [], "the sink reads Avro, and this is JSON Schema"
        return
    yield from unfit(version.schema)
    nullable = {field["name"]: "null" in field["type"] for field in version.schema["fields"]}
    keys = sink.config.get("primary.key.fields", "") if sink.config.get("primary.key.mode") == "record_value" else ""
    for key in filter(None, (item.strip() for item in keys.split(","))):
        if nullable.get(key, True):
            yield ["fields"], f"its primary key {key!r} is no field that always has a value"


def unfit(schema: Json) -> Iterator[tuple[list[Step], str]]:
    """Yield the place and the reason of every field of a record that no column can take."""
    full = f"{schema['namespace']}.{schema['name']}" if schema.get("namespace") else schema["name"]
    if full.endswith(".Envelope") or "SchemaChangeValue" in full:
        yield ["name"], f"Debezium takes a record called {full} for a change of a table, and archives no row of it"
    named: dict[str, Json] = {}
    for index, field in enumerate(schema["fields"]):
        place: list[Step] = ["fields", index]
        name = field["name"]
        if len(name.encode()) > _LONGEST_NAME:
            yield place, f"{name!r} is longer than the {_LONGEST_NAME} bytes of a column's name"
        if name in _SYSTEM:
            yield place, f"{name!r} is a column that PostgreSQL has in every table"
        if words := _reason(field["type"], named):
            yield place, f"{name}: {words}"
        elif default := _default(field):
            yield place, f"{name}: {default}"


def _reason(node: Json, named: dict[str, Json]) -> str:
    """Return why a type is no column, "" if it is one; types that are defined on the way are added to `named`."""
    node = _plain(node)
    if isinstance(node, list):
        branches = [branch for branch in node if branch != "null"]
        return _reason(branches[0], named) if len(branches) == 1 else f"a union of {len(branches)} types; {_AS_TEXT}"
    if isinstance(node, str):
        if node in _SCALARS:
            return ""
        # What is not defined before it is used is the record that it stands in.
        node = named.get(node, {"type": "record"})
    if "name" in node:
        named[node["name"]] = node
    if node["type"] == "array":
        return _item(_plain(node["items"]), named)
    return f"{_NESTED[node['type']]}; {_AS_TEXT}" if node["type"] in _NESTED else _logical(node)


def _logical(node: Json) -> str:
    logical = node.get("logicalType", "")
    name = node.get(_NAME, "")
    if (logical or node["type"], name) in NAMED:
        return ""
    if logical in _LOSSY:
        by_name = [f'add "{_NAME}": "{known}"' for kind, known in NAMED if kind == logical]
        ways = [*by_name, f"take {_LOSSY[logical]}", "or long and say the unit in its doc"]
        return f"{logical} would be a bare bigint; {', '.join(ways)}"
    if str(name).startswith(_OF_PRODUCTS):
        return f"{name} beside {logical or node['type']} is not known to make a column"
    if logical == "decimal" and node["type"] == "fixed":
        return "a decimal of fixed size is not read by the converter; take bytes"
    if logical == "decimal" and node.get("precision", 0) > _MOST_DIGITS:
        return f"a decimal of more than {_MOST_DIGITS} digits"
    return ""


def _item(node: Json, named: dict[str, Json]) -> str:
    """Return why an array of this is no column."""
    if isinstance(node, list):
        node = next((_plain(branch) for branch in node if branch != "null"), "null")
    resolved = named.get(node, node) if isinstance(node, str) else node
    kind = resolved if isinstance(resolved, str) else resolved.get("logicalType", resolved["type"])
    if kind == "array" or kind in _NO_ITEMS or (isinstance(resolved, dict) and _NAME in resolved):
        return f"an array of {kind}; {_AS_TEXT}"
    return f"an array of {words}" if (words := _reason(node, named)) else ""


def _default(field: Json) -> str:
    """Return why a default is none that a column can have."""
    default = field.get("default")
    if default is not None and (name := _named(field["type"])):
        return f"a default of {name}"
    if isinstance(default, list):
        return "an array with a default; let it be a union with null, default null"
    if default in ("NaN", "Infinity", "-Infinity") and _plain(field["type"]) in ("float", "double"):
        return f"the default {default}"
    return ""


def _named(node: Json) -> str:
    """Return the name that a type, or the one beside null, has for Kafka Connect."""
    branches = node if isinstance(node, list) else [node]
    return next((each[_NAME] for each in map(_plain, branches) if isinstance(each, dict) and _NAME in each), "")


def _plain(node: Json) -> Json:
    """Take the wrapping off `{"type": "string"}` and `{"type": {…}}`."""
    while isinstance(node, dict) and "logicalType" not in node and not isinstance(node["type"], str):
        node = node["type"]
    bare = isinstance(node, dict) and not {"logicalType", _NAME} & node.keys() and node["type"] in _SCALARS
    return node["type"] if bare else node
