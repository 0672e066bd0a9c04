"""What a task prints with --json, held to the schema that promises it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from backbone import json_schema
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "tasks-output.schema.json").read_text(encoding="utf-8"))
_WHOLE = (
    "up status endpoints ports doctor smoke archive rabbitmq lint explain rules bench failover capacity export import"
    " upgrade"
)
WITHOUT_ACTION = frozenset(_WHOLE.split())
"""Tasks that have one entry in the schema, whatever stands behind their name."""


def check(words: Sequence[str], value: object) -> None:
    """Fail unless the value is what the schema promises of the task, or its error."""
    name = words[0] if words[0] in WITHOUT_ACTION else " ".join(words[:2])
    body = {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"]}
    is_error = isinstance(value, dict) and "error" in value
    body["$ref" if is_error else "anyOf"] = "#/$defs/error" if is_error else [SCHEMA["properties"][name]]
    assert [str(each) for each in json_schema.departures(body, value)] == [], words
