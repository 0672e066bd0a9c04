"""Avro schemas and their successors, made by chance: three versions of a record, each a small change of the one before.

The changes are those that people make: fields come and go, are renamed with or without an alias, get wider or another
meaning; unions, enums and named types change. Every schema is sound, and takes part in recursion and references.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone.events.contracts import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

Json: TypeAlias = Any

PRIMITIVES = ("boolean", "int", "long", "float", "double", "bytes", "string")
LOGICAL: tuple[dict[str, Any], ...] = (
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    *({"type": "long", "logicalType": f"timestamp-{unit}"} for unit in ("millis", "micros")),
    {"type": "long", "logicalType": "time-micros"},
    *({"type": "bytes", "logicalType": "decimal", "precision": p, "scale": s} for p, s in ((9, 2), (9, 3), (12, 2))),
    {"type": "string", "logicalType": "uuid"},
)
SYMBOLS = ("OPEN", "DONE", "GONE", "LATE")


class Maker:
    """Makes the types of one schema; every named one gets a name of its own."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.count = 0

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def type(self, depth: int, known: tuple[str, ...]) -> Json:
        simple: list[Callable[[], Json]] = [
            lambda: self.random.choice(PRIMITIVES),
            lambda: self.random.choice(PRIMITIVES),
            lambda: copy.deepcopy(self.random.choice(LOGICAL)),
            self.enum,
            lambda: {"type": "fixed", "name": self.name("Hash"), "size": self.random.choice((4, 8))},
        ]
        nested: list[Callable[[], Json]] = [
            lambda: self.record(depth - 1, known),
            lambda: {"type": "array", "items": self.type(depth - 1, known)},
            lambda: {"type": "map", "values": self.type(depth - 1, known)},
            lambda: self.union(depth - 1, known),
            lambda: ["null", self.random.choice(known)],
            lambda: {"type": "array", "items": self.random.choice(known)},
        ]
        return self.random.choice(simple + nested if depth > 0 else simple)()

    def enum(self) -> Json:
        made: dict[str, Any] = {"type": "enum", "name": self.name("State"), "symbols": list(SYMBOLS[:3])}
        if self.random.random() < 0.4:
            made["default"] = "OPEN"
        return made

    def union(self, depth: int, known: tuple[str, ...]) -> Json:
        branches: list[Json] = ["null"] if self.random.random() < 0.7 else []
        taken = set(branches)
        for _ in range(self.random.randint(1, 3)):
            branch = self.type(depth, known)
            key = branch if isinstance(branch, str) else None if isinstance(branch, list) else branch.get("name")
            key = key or (isinstance(branch, dict) and branch["type"])
            if key and key not in taken:
                taken.add(key)
                branches.append(branch)
        return branches or ["null"]

    def record(self, depth: int, known: tuple[str, ...] = ()) -> dict[str, Any]:
        name = self.name("Part")
        fields = [self.field(depth, (*known, name)) for _ in range(self.random.randint(1, 4))]
        return {"type": "record", "name": name, "fields": fields}

    def field(self, depth: int, known: tuple[str, ...]) -> dict[str, Any]:
        made: dict[str, Any] = {"name": self.name("field_"), "type": self.type(depth, known)}
        if self.random.random() < 0.7 and (found := defaults(made["type"])):
            made["default"] = self.random.choice(found)
        return made


def defaults(kind: Json) -> list[Json]:
    """Return some defaults that a type may have."""
    if isinstance(kind, list):
        return defaults(kind[0])
    if isinstance(kind, dict):
        named: dict[str, list[Json]] = {"enum": kind.get("symbols", [])[:1], "array": [[]], "map": [{}]}
        return named.get(kind["type"], [] if "logicalType" in kind else defaults(kind["type"]))
    plain: dict[str, list[Json]] = {
        "null": [None], "boolean": [True], "int": [0, 7], "long": [0], "float": [0.5], "double": [1.5],
        "bytes": ["\u00ff"], "string": ["", "x"],
    }  # fmt: skip
    return plain.get(kind, [])


def nodes(schema: Json) -> Iterator[tuple[Json, Any]]:
    """Yield (container, key) for each place of a schema that holds a type."""
    if isinstance(schema, list):
        for index, branch in enumerate(schema):
            yield schema, index
            yield from nodes(branch)
    elif isinstance(schema, dict):
        for key in ("items", "values"):
            if key in schema:
                yield schema, key
                yield from nodes(schema[key])
        for field in schema.get("fields", ()):
            yield field, "type"
            yield from nodes(field["type"])


def _of(schema: Json, kind: str) -> list[dict[str, Any]]:
    parts = [schema, *(holder[key] for holder, key in nodes(schema))]
    return [part for part in parts if isinstance(part, dict) and part.get("type") == kind]


def _change_fields(schema: Json, maker: Maker) -> None:
    record = maker.random.choice(_of(schema, "record"))
    fields = record["fields"]
    at = maker.random.randrange(len(fields)) if fields else 0
    match maker.random.randrange(5):
        case 0:
            fields.insert(at, maker.field(1, (record["name"],)))
        case 1 if fields:
            fields.pop(at)
        case 2 if fields:
            before, fields[at]["name"] = fields[at]["name"], maker.name("field_")
            if maker.random.random() < 0.6:
                fields[at]["aliases"] = [before]
        case 3 if fields and (found := defaults(fields[at]["type"])):
            fields[at].pop("default", None) or fields[at].update(default=found[0])
        case _:
            maker.random.shuffle(fields)


def _change_type(schema: Json, maker: Maker) -> None:
    places = list(nodes(schema))
    if not places:
        return
    holder, key = maker.random.choice(places)
    old = holder[key]
    wider = {"int": "long", "long": "double", "float": "double", "string": "bytes", "bytes": "string"}
    match maker.random.randrange(6):
        case 0 | 1 if isinstance(old, str) and old in wider:
            holder[key] = wider[old]
        case 2 if isinstance(old, dict) and "logicalType" in old:
            holder[key] = maker.random.choice([*LOGICAL, old["type"]])
        case 3 if not isinstance(old, list) and not isinstance(holder, list) and old != "null":
            holder[key] = ["null", old]
        case 4 if isinstance(holder, list) and len(holder) > 1:
            holder.pop(key)
        case 4 | 5 if isinstance(old, list):
            old.insert(maker.random.randrange(len(old) + 1), maker.type(1, (schema["name"],)))
        case 0 if maker.random.random() < 0.2:
            holder[key] = maker.type(1, (schema["name"],))
    if isinstance(holder, dict) and "default" in holder and (found := defaults(holder["type"])):
        holder["default"] = found[0]


def _change_meaning(schema: Json, maker: Maker) -> None:
    """Take another logical type, or none, on the same bytes."""
    places = [(holder, key) for holder, key in nodes(schema) if isinstance(holder[key], dict)]
    if found := [(holder, key) for holder, key in places if "logicalType" in holder[key]]:
        holder, key = maker.random.choice(found)
        kind = holder[key]["type"]
        holder[key] = copy.deepcopy(maker.random.choice([kind, *(each for each in LOGICAL if each["type"] == kind)]))


def _change_named(schema: Json, maker: Maker) -> None:
    named = [part for kind in ("record", "enum", "fixed") for part in _of(schema, kind)]
    part = maker.random.choice(named)
    match maker.random.randrange(4):
        case 0 if part["type"] == "enum":
            symbols = part["symbols"]
            if maker.random.random() < 0.5:
                symbols.append("LATE")
            elif len(symbols) > 2:
                symbols.pop()
        case 0 if part["type"] == "fixed":
            part["size"] = 16
        case 1 if part["type"] == "enum":
            part.pop("default", None) or part.update(default="OPEN")
        case 2:
            part["namespace"] = maker.random.choice(("shop", "house"))
        case _:
            before, part["name"] = part["name"], maker.name("Named")
            if maker.random.random() < 0.85:
                part["aliases"] = [before]
            _rename(schema, before, part["name"])


def _rename(schema: Json, before: str, after: str) -> None:
    for holder, key in nodes(schema):
        if holder[key] == before:
            holder[key] = after


_CHANGES = (_change_fields, _change_fields, _change_type, _change_type, _change_named, _change_meaning)


def successor(schema: Json, maker: Maker) -> Json:
    """Return a sound schema that differs from this one in one or two small changes."""
    while True:
        made = copy.deepcopy(schema)
        for _ in range(maker.random.randint(1, 2)):
            maker.random.choice(_CHANGES)(made, maker)
        if rules.essence(made) != rules.essence(schema) and rules.schema_error(made, json.dumps(made)) is None:
            return made


def triple(random: Random) -> tuple[Json, Json, Json]:
    """Return three versions of a record."""
    maker = Maker(random)
    while True:
        first = maker.record(3)
        if rules.schema_error(first, json.dumps(first)) is None:
            second = successor(first, maker)
            third = successor(second, maker)
            if rules.essence(third) != rules.essence(first):
                return first, second, third
