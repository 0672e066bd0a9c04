"""Contracts in JSON Schema: what the offline check takes and refuses, in the registry and on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from backbone.errors import StackError
from backbone.events.contracts import registration
from backbone.events.contracts.jsonschemas import DIALECT, breaks
from backbone.events.contracts.wire import Decoder
from backbone.events.records import Codec

if TYPE_CHECKING:
    from backbone.events.contracts.registry import Registry
    from tests.unit.contracts.conftest import Folder


def prop(kind: object = "string", **more: object) -> dict[str, Any]:
    return {"type": kind, "description": "What it is.", **more}


def schema(required: tuple[str, ...] = ("order_id",), **properties: object) -> dict[str, Any]:
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": {"order_id": prop(), **properties},
        "required": list(required),
        "additionalProperties": False,
    }


V1 = schema(total=prop("integer", minimum=0), state=prop(enum=["OPEN", "DONE"]))
LINES = prop("array", items={"type": "object", "properties": {"sku": prop()}, "additionalProperties": False})


@pytest.mark.parametrize(
    "after",
    [
        {**V1, "title": "An order"},
        schema(total=prop("number"), state=prop(enum=["OPEN", "DONE", "GONE"])),
        schema(total=prop(["integer", "null"], minimum=-5), state=prop(), note=prop()),
        schema(**{**V1["properties"], "lines": LINES}),
    ],
)
def test_what_reads_all_that_was_written_may_follow(folder: Folder, after: object) -> None:
    assert folder.contract(V1, after, suffix="json").findings() == []


@pytest.mark.parametrize(
    ("after", "place", "reason"),
    [
        (schema(total=prop("string"), state=prop()), "total", "it was integer and is string"),
        (schema(total=prop("integer", minimum=1), state=prop()), "total", "minimum 1 is narrower than 0"),
        (schema(total=prop("integer"), state=prop(pattern="^O")), "state", "pattern ^O is narrower than none"),
        (schema(total=prop("integer"), state=prop(enum=["OPEN"])), "state", "the enum does not know ['DONE']"),
        (schema(total=prop("integer", enum=[1]), state=prop()), "total", "the values were not limited"),
        (schema(state=prop()), "total", "the property is not in every version"),
        (schema(("order_id", "total"), **V1["properties"]), "total", "the property is required"),
    ],
)
def test_a_broken_promise_names_property_and_line(folder: Folder, after: Any, place: str, reason: str) -> None:
    (found,) = folder.contract(V1, after, suffix="json").findings()
    assert found.rule == "incompatible"
    assert found.message.startswith(f"{place}: {reason}")
    line = found.file.read_text().splitlines()[found.line - 1]
    assert f'"{place}"' in line or '"properties"' in line


def test_forward_asks_the_older_reader(folder: Folder) -> None:
    (found,) = folder.contract(
        V1, schema(**V1["properties"], note=prop()), suffix="json", compatibility="FORWARD"
    ).findings()
    assert found.message.startswith("note: the property is not in every version")


def test_items_are_walked_too() -> None:
    reader = schema(lines=prop("array", items={"type": "string"}))
    assert list(breaks(reader, schema(lines=LINES))) == [(("lines", "[]"), "it was object and is string")]
    assert list(breaks(reader, schema(lines=prop("array")))) == [(("lines", "[]"), "it was any value and is string")]


@pytest.mark.parametrize(
    ("version", "rule", "words"),
    [
        ({**V1, "$schema": "x"}, "json-schema", "draft-07"),
        ({**V1, "type": "array"}, "json-schema", "is an object"),
        ({**V1, "type": "thing"}, "json-schema", "thing"),
        ({**V1, "additionalProperties": True}, "json-schema", "additionalProperties: false"),
        (schema(total={"oneOf": [{}]}), "json-schema", "oneOf"),
        (schema(total={"$ref": "#"}), "json-schema", "'$ref' cannot be judged offline"),
        (schema(total={"description": "x"}), "json-schema", "without a type"),
        (schema(Total=prop()), "name-style", "snake_case"),
        (schema(total={"type": "string"}), "doc-missing", "no description"),
        (schema(()), "key-field", "no required text"),
    ],
)
def test_what_a_version_has_to_keep(folder: Folder, version: object, rule: str, words: str) -> None:
    found = folder.contract(version, suffix="json").findings()
    assert [each.rule for each in found] == [rule]
    assert words in found[0].message


def test_a_contract_speaks_one_language(folder: Folder) -> None:
    folder.contract(V1, suffix="json")
    (folder.path / "orders-value" / "v2.avsc").write_text('{"type": "record", "name": "A", "fields": []}')
    assert "two-languages" in folder.rules()


def test_it_is_registered_as_json_and_a_broken_one_gets_409(folder: Folder, registry: Registry) -> None:
    contracts = folder.contract(V1, suffix="json").load()
    assert [change.kind for change in registration.apply(contracts, registry, lambda _: None).done] == [
        "set-level",
        "register",
        "set-level",
    ]
    assert registration.compare(contracts, registry) == ()
    (contract,) = contracts.contracts
    with pytest.raises(StackError, match="contract-incompatible"):
        registry.register(contract.subject, folder.contract(schema(), suffix="json").load().contracts[0].latest.compact)


def test_a_record_goes_there_and_back_and_a_wrong_one_is_refused(folder: Folder, registry: Registry) -> None:
    contracts = folder.contract(V1, suffix="json").load()
    registration.apply(contracts, registry, lambda _: None)
    codec = Codec.registered(contracts.contracts[0], registry)
    record, _ = codec.record({"order_id": "ö", "total": 3})
    assert record is not None
    assert (record.key, record.value[:5], record.value[5:]) == (
        "ö".encode(),
        b"\0\0\0\0\1",
        '{"order_id":"ö","total":3}'.encode(),
    )
    assert Decoder(registry.schema).decode(record.value) == {"order_id": "ö", "total": 3}
    assert codec.record({"order_id": "a", "total": -1}) == (None, [("total", "-1 is less than the minimum of 0")])
    assert codec.record({"total": 1}) == (None, [("order_id", "is missing")])
    assert codec.record({"order_id": ""}) == (None, [("order_id", "is the record's key and is empty")])
    assert codec.record({"order_id": "a", "sorce": 1})[0] is None
    with pytest.raises(StackError, match="undecodable"):
        Decoder(registry.schema).decode(record.value[:-1])


VALUES: tuple[dict[str, Any], ...] = (
    {"order_id": "a"},
    {"order_id": "a", "total": 0},
    {"order_id": "a", "total": 7, "state": "OPEN"},
    {"order_id": "a", "total": 1.5},
    {"order_id": "a", "total": None},
    {"order_id": "a", "state": "GONE", "note": "n"},
    {"order_id": "a", "lines": [{"sku": "s"}, {}]},
    {"order_id": "a", "lines": [1]},
)
SCHEMAS = (
    V1,
    schema(total=prop("number"), state=prop()),
    schema(total=prop(["integer", "null"]), state=prop(enum=["OPEN"]), note=prop(minLength=1)),
    schema(("order_id", "total"), total=prop("integer", minimum=5), lines=LINES),
    schema(lines=prop("array", items={"type": "integer"}), note=prop(maxLength=0)),
)


@pytest.mark.parametrize("reader", SCHEMAS)
@pytest.mark.parametrize("writer", SCHEMAS)
def test_no_value_contradicts_the_judgement(reader: dict[str, Any], writer: dict[str, Any]) -> None:
    written = [value for value in VALUES if Draft7Validator(writer).is_valid(value)]
    refused = [value for value in written if not Draft7Validator(reader).is_valid(value)]
    assert not refused or list(breaks(reader, writer))
