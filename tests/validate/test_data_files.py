from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from backbone.stack import kafka_versions
from backbone.stack.compose import load
from backbone.stack.engine.embedded.artifacts import read_lock
from backbone.stack.engine.embedded.engine import LOCK_FILE
from backbone.stack.engine.embedded.runtimes import RUNTIMES
from backbone.stack.settings import Settings
from backbone.stack.topics import FILE
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS = sorted((ROOT / "schemas").rglob("*.schema.json"))
COORDINATE = re.compile(r"[\w.-]+:[\w.-]+:(jar|tar\.gz|zip)(:[\w.-]+)?:[\w.-]+")


def read(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_every_schema_is_itself_valid_and_says_what_it_is_for(path: Path) -> None:
    schema = read(path)
    assert schema["$schema"]
    jsonschema.validators.validator_for(schema).check_schema(schema)
    assert schema["title"]


def test_the_schemas_are_found() -> None:
    assert "topics.schema.json" in {path.name for path in SCHEMAS}


def test_the_topics_file_keeps_to_its_schema() -> None:
    body = yaml.safe_load((ROOT / FILE).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(read(ROOT / "schemas" / "topics.schema.json")).validate(body)
    assert body["topics"]


def test_every_locked_file_has_a_coordinate_a_checksum_and_a_size() -> None:
    lock = read_lock(ROOT / LOCK_FILE)
    for item in (item for items in lock.sets.values() for item in items):
        assert COORDINATE.fullmatch(item.coordinate), item
        assert re.fullmatch(r"[0-9a-f]{64}", item.sha256), item
        assert item.size > 0, item


def test_the_lock_names_no_host_and_no_file_without_use() -> None:
    text = (ROOT / LOCK_FILE).read_text(encoding="utf-8")
    assert "://" not in text
    raw = json.loads(text)
    assert set(raw["files"]) == {item for body in raw["sets"].values() for item in body["files"]}


def test_a_set_holds_each_library_once_and_its_roots() -> None:
    for name, items in read_lock(ROOT / LOCK_FILE).sets.items():
        libraries = [item.coordinate.rpartition(":")[0] for item in items]
        assert sorted(set(libraries)) == sorted(libraries), name
    raw = read(ROOT / LOCK_FILE)
    for name, body in raw["sets"].items():
        short = {(*coordinate.split(":")[:2], coordinate.split(":")[-1]) for coordinate in body["files"]}
        for root in body["roots"]:
            group, artifact, version, *_ = root.split(":")
            assert (group, artifact, version) in short, (name, root)


def test_every_set_that_a_runtime_needs_is_locked() -> None:
    lock = read_lock(ROOT / LOCK_FILE)
    assert {name for runtime in RUNTIMES.values() for name in runtime.sets} <= set(lock.sets)


def test_containers_and_processes_run_the_same_kafka() -> None:
    brokers = [
        service
        for service in load(Settings(ROOT, {}), ["messaging"]).services.values()
        if "KAFKA_PROCESS_ROLES" in service.environment
    ]
    images = {service.image.rpartition(":")[2] for service in brokers}
    assert images == {kafka_versions.of(service) for service in brokers}
    assert images <= set(kafka_versions.known(Settings(ROOT, {})))
    assert len(images) == 1
