"""One validator for JSON Schema: every departure with its place, and no value or schema that stops it."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest

from backbone import json_schema

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["a"],
    "additionalProperties": False,
    "properties": {"a": {"type": "string"}, "n": {"type": "array", "items": {"type": "integer"}}},
}


def test_every_departure_is_told_with_its_place() -> None:
    found = json_schema.departures(SCHEMA, {"n": [1, "x"], "z": 1})
    assert [(each.place, each.keyword, each.names) for each in found] == [
        ("$", "additionalProperties", ("z",)),
        ("$", "required", ("a",)),
        ("$.n[1]", "type", ()),
    ]
    assert str(found[-1]) == '$.n[1]: "x" is not of type "integer"'


@pytest.mark.parametrize("value", [{1: 2}, {"a": date(2026, 1, 2)}, {"a": {2}}], ids=["number key", "date", "set"])
def test_what_json_cannot_hold_is_a_departure(value: object) -> None:
    (found,) = json_schema.departures(SCHEMA, value)
    assert found.message.startswith("cannot be judged")


def test_a_mistake_of_ours_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(SCHEMA), encoding="utf-8")
    json_schema.require(path, {"a": "x"})
    with pytest.raises(ValueError, match="departs from"):
        json_schema.require(path, {})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"properties": {"x": {"minLength": "q"}}},
        [1],
        {"pattern": "("},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "#/nowhere"},
    ],
)
def test_what_is_no_schema_is_told_and_nothing_is_fetched(schema: object) -> None:
    assert json_schema.fault(schema)
    assert json_schema.fault(SCHEMA) is None
