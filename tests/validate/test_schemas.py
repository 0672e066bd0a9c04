"""Our own JSON Schemas are valid schemas, and the files they describe keep to them."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest

from tests import ROOT

SCHEMAS = sorted((ROOT / "schemas").rglob("*.schema.json"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_a_valid_schema(path: Path) -> None:
    assert jsonschema_rs.meta.is_valid(json.loads(path.read_text(encoding="utf-8")))


def test_the_policy_keeps_to_its_schema() -> None:
    schema = json.loads((ROOT / "schemas" / "policy.schema.json").read_text(encoding="utf-8"))
    policy = tomllib.loads((ROOT / "policy.toml").read_text(encoding="utf-8"))
    assert [error.message for error in jsonschema_rs.Draft7Validator(schema).iter_errors(policy)] == []


def test_the_compose_schema_is_the_one_of_the_pinned_check_jsonschema() -> None:
    spec = importlib.util.find_spec("check_jsonschema")
    assert spec is not None
    assert spec.origin is not None
    theirs = Path(spec.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    assert (ROOT / "schemas" / "compose-spec.json").read_bytes() == theirs.read_bytes()
