"""Values of an Avro type, made by chance, as fastavro writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from backbone.events.contracts.avrotypes import Type


_DEEPEST = 60


def value_of(kind: Type, random: Random, depth: int = 0) -> Any:
    """Return a value; after some levels the shortest there is. RecursionError if every value goes on without end."""
    if depth > _DEEPEST:
        raise RecursionError
    match kind.kind:
        case "union":
            return _branch(kind, random, depth)
        case "record":
            return {field.name: value_of(field.type, random, depth + 1) for field in kind.fields}
        case "array":
            return [value_of(kind.parts[0], random, depth + 1) for _ in range(0 if depth > 4 else random.randint(0, 2))]
        case "map":
            return {f"k{n}": value_of(kind.parts[0], random, depth + 1) for n in range(0 if depth > 4 else 2)}
    return {
        "enum": random.choice(kind.symbols or ("",)),
        "fixed": random.randbytes(kind.size),
        "null": None,
        "boolean": random.random() < 0.5,
        "int": random.randint(0, 86_399_999 if kind.logical == "time-millis" else 20_000),
        "long": random.randint(0, 86_399_999_999),
        "float": 0.5,
        "double": random.random(),
        "bytes": bytes([random.randint(0, 127)]),
        "string": "123e4567-e89b-12d3-a456-426614174000",
    }[kind.kind]


def _branch(kind: Type, random: Random, depth: int) -> Any:
    parts = kind.parts
    if depth > 4:
        parts = tuple(part for part in parts if part.kind in ("null", "int", "string")) or parts
    branch = random.choice(parts)
    value = value_of(branch, random, depth + 1)
    return None if branch.kind == "null" else (branch.branch, value)
