"""The offline check and the running registry, asked the same: they agree but for what docs/send-an-event.md lists.

CONTRACT_TRIPLES says how many triples of versions are made; `nox -s contracts-differential` asks for 600 of them.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, get_args

import pytest
import requests

from backbone.events.contracts import avrotypes, resolution
from backbone.events.contracts.compatibility import pairs
from backbone.events.contracts.model import Level, Version
from backbone.stack import endpoints
from backbone.stack.settings import Settings
from tests.avropairs import triple

if TYPE_CHECKING:
    from tests.e2e.checkout import Checkout

TRIPLES = int(os.environ.get("CONTRACT_TRIPLES", "20"))
REGISTERED = 5
"""Every so many triples the last version is really registered, at each level; else the registry is asked only."""
LEVELS: tuple[Level, ...] = tuple(level for level in get_args(Level) if level != "NONE")


@dataclass(frozen=True)
class Subjects:
    """The registry's API, as far as the comparison needs it."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: object) -> tuple[int, Any]:
        answer = self.session.request(method, self.url + path, json=body, timeout=60)
        return answer.status_code, answer.json()

    def register(self, subject: str, schema: object) -> bool:
        code, body = self.call("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(schema)})
        assert code in (200, 409), body
        return code == 200

    def level(self, subject: str, level: str) -> None:
        code, body = self.call("PUT", f"/config/{subject}", {"compatibility": level})
        assert code == 200, body

    def would_take(self, subject: str, schema: object, level: Level) -> bool:
        """Ask without registering; Apicurio asks all versions of a subject unless one is named."""
        versions = "" if level.endswith("TRANSITIVE") else "/latest"
        path = f"/compatibility/subjects/{subject}/versions{versions}"
        code, body = self.call("POST", path, {"schema": json.dumps(schema)})
        assert code == 200, body
        return bool(body["is_compatible"])


@pytest.fixture(scope="module")
def subjects(running: Checkout) -> Subjects:
    model = endpoints.model(Settings(running.root, running.env))
    made = Subjects(endpoints.named(model, "schema-registry", "SCHEMA_REGISTRY_URL"))
    made.session.trust_env = False
    return made


def reasons(level: Level, versions: list[Any]) -> list[str]:
    """Return why the last version may not follow the others, by our check."""
    numbered = [Version(number, Path(), "", schema) for number, schema in enumerate(versions, 1)]
    return [
        each.reason
        for reader, writer in pairs(level, numbered)
        if len(versions) in (reader.number, writer.number)
        for each in resolution.breaks(avrotypes.read(reader.schema), avrotypes.read(writer.schema))
    ]


def on_purpose(found: list[str]) -> bool:
    """Tell whether the check refuses only what the registry does not look at: the meaning of the same bytes."""
    return all("the meaning changed from" in reason for reason in found)


def test_versions_made_by_chance_are_judged_as_the_registry_does(subjects: Subjects) -> None:
    began = time.time_ns()

    def judge(seed: int) -> list[tuple[Level, bool, list[str]]]:
        versions = triple(Random(seed))
        subject = f"chance-{began}-{seed}"
        for schema in versions[:2]:
            subjects.register(subject, schema)
            subjects.level(subject, "NONE")
        verdicts = []
        for level in LEVELS:
            subjects.level(subject, level)
            verdicts.append((level, subjects.would_take(subject, versions[2], level), reasons(level, list(versions))))
        if seed % REGISTERED == 0:
            for level, taken, _ in verdicts:
                assert _registered(subjects, f"{subject}-{level}", versions, level) == taken, (seed, level)
        return verdicts

    with ThreadPoolExecutor(8) as pool:
        verdicts = [(seed, *verdict) for seed, found in enumerate(pool.map(judge, range(TRIPLES))) for verdict in found]
    differing = [each for each in verdicts if each[2] == bool(each[3])]
    print(f"{len(verdicts)} verdicts, {sum(taken for *_, taken, _ in verdicts)} of them yes, {len(differing)} differ")  # noqa: T201
    assert [each for each in differing if not (each[2] and on_purpose(each[3]))] == []
    assert len({taken for *_, taken, _ in verdicts}) == 2


def _registered(subjects: Subjects, subject: str, versions: tuple[Any, ...], level: Level) -> bool:
    """Register the versions for good, the last one at the level, and tell whether the registry took it."""
    for schema in versions[:2]:
        subjects.register(subject, schema)
        subjects.level(subject, "NONE")
    subjects.level(subject, level)
    return subjects.register(subject, versions[2])


def _record(*fields: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"type": "record", "name": "Order", "fields": [{"name": "a", "type": "int"}, *fields], **more}


STATE = {"type": "enum", "name": "State", "symbols": ["A", "B"], "default": "A"}
NULLABLE = {"name": "b", "type": ["null", _record(name="Part")]}
OPTION = {"name": "b", "type": ["null", "int"]}
WIDER = {"name": "b", "type": ["null", "int", "string"]}
MILLIS = {"name": "at", "type": {"type": "array", "items": {"type": "long", "logicalType": "timestamp-millis"}}}
MICROS = {"name": "at", "type": {"type": "array", "items": {"type": "long", "logicalType": "timestamp-micros"}}}
ITSELF = {"name": "itself", "type": "Order"}
RENAMED = {"name": "b", "type": ["null", _record(name="Piece", aliases=["Part"])]}


@pytest.mark.parametrize(
    ("old", "new", "taken", "ours"),
    [
        (_record(), _record(name="Bill", aliases=["Order"]), True, True),
        (_record(NULLABLE), _record(RENAMED), True, True),
        (_record(OPTION), _record(WIDER), True, True),
        (_record(), _record({"name": "c", "type": STATE}), False, False),
        (_record(MILLIS), _record(MICROS), True, False),
        (_record(namespace="shop"), _record(namespace="house"), True, True),
        (_record(ITSELF), _record(ITSELF, {"name": "c", "type": "int"}), False, False),
    ],
)  # fmt: skip
def test_what_is_listed_in_the_docs_is_so(subjects: Subjects, old: Any, new: Any, taken: bool, ours: bool) -> None:
    subject = f"listed-{time.time_ns()}"
    subjects.register(subject, old)
    subjects.level(subject, "BACKWARD")
    found = resolution.breaks(avrotypes.read(new), avrotypes.read(old))
    assert (subjects.would_take(subject, new, "BACKWARD"), not found) == (taken, ours), found
