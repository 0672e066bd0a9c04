"""An Avro schema as a tree of types: names resolved, each part with its place in the schema's JSON.

Names, aliases and logical types as the Avro 1.12 specification defines them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.events.contracts.positions import Step

Json: TypeAlias = Any
Steps: TypeAlias = "tuple[Step, ...]"
"""The way to a part of the schema through its JSON."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = frozenset({"record", "error", "enum", "fixed"})
MAX_DEPTH = 100
"""Types within types. Deeper ones are refused: every walk over a schema or a value is recursive."""

_LOGICAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "decimal": ("bytes", "fixed"),
        "uuid": ("string", "fixed"),
        "date": ("int",),
        "time-millis": ("int",),
        "time-micros": ("long",),
        **{f"{local}timestamp-{unit}": ("long",) for local in ("", "local-") for unit in ("millis", "micros", "nanos")},
        "duration": ("fixed",),
    }
)
_SIZES: Mapping[str, int] = MappingProxyType({"uuid": 16, "duration": 12})


class SchemaError(ValueError):
    """Says why something is no schema; `steps` lead to the place."""

    def __init__(self, steps: Steps, reason: str) -> None:
        super().__init__(reason)
        self.steps = steps


@dataclass(slots=True, eq=False)
class Field:
    """A field of a record; `default` is the JSON value, of use only if it has one."""

    name: str
    type: Type
    steps: Steps
    aliases: tuple[str, ...]
    has_default: bool
    default: Json


@dataclass(slots=True, eq=False)
class Type:
    """A type. A reference to a named type is that type itself, so the tree may contain itself.

    kind: a primitive, record, enum, fixed, array, map or union. parts: the items of an array, the values of a map, the
    branches of a union. logical: only one that Avro knows and that is valid; all others it ignores, and so do we.
    """

    kind: str
    steps: Steps
    name: str = ""
    aliases: frozenset[str] = frozenset()
    logical: str = ""
    precision: int = 0
    scale: int = 0
    size: int = 0
    symbols: tuple[str, ...] = ()
    default_symbol: str | None = None
    parts: tuple[Type, ...] = ()
    fields: tuple[Field, ...] = ()

    @property
    def short_name(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition(".")[2]

    @property
    def branch(self) -> str:
        """What tells this type from the others of a union: its full name, or its kind."""
        return self.name or self.kind

    def __str__(self) -> str:
        if self.kind == "union":
            return "[" + ", ".join(part.branch for part in self.parts) + "]"
        return f"{self.kind} {self.name}".rstrip()


def read(schema: Json) -> Type:
    """Return the tree of a schema as json.loads gives it. Raises SchemaError where it is none."""
    return _Reader({}).type(schema, "", ())


def logical_of(node: Mapping[str, Any]) -> str:
    """Return the logical type that an object of a schema has, "" if every reader has to ignore what it says."""
    return _with_logical(Type(str(node.get("type")), (), size=node.get("size", 0)), node).logical


def contains_itself(root: Type) -> bool:
    """Tell whether a value of this type may be nested without end."""

    def walk(kind: Type, around: frozenset[int]) -> bool:
        if kind.name and id(kind) in around:
            return True
        around |= {id(kind)}
        return any(walk(part, around) for part in (*kind.parts, *(field.type for field in kind.fields)))

    return walk(root, frozenset())


@dataclass(slots=True)
class _Reader:
    names: dict[str, Type]

    def type(self, node: Json, namespace: str, steps: Steps, depth: int = 0) -> Type:
        if depth > MAX_DEPTH:
            raise SchemaError(steps, f"types are nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, list):
            return self._union(node, namespace, steps, depth)
        if isinstance(node, str):
            return self._reference(node, namespace, steps)
        if not isinstance(node, dict) or "type" not in node:
            raise SchemaError(steps, "a type is a name, an array (a union) or an object with a type")
        match node["type"]:
            case "array" | "map" as kind:
                key = "items" if kind == "array" else "values"
                if key not in node:
                    raise SchemaError(steps, f"{kind} has no {key}")
                return Type(kind, steps, parts=(self.type(node[key], namespace, (*steps, key), depth + 1),))
            case str() as kind if kind in NAMED:
                return self._named(node, namespace, steps, depth)
            case str() as kind if kind in PRIMITIVES:
                return _with_logical(Type(kind, steps), node)
            case inner:
                return self.type(inner, namespace, (*steps, "type"), depth + 1)

    def _union(self, branches: list[Json], namespace: str, steps: Steps, depth: int) -> Type:
        parts: list[Type] = []
        for index, branch in enumerate(branches):
            part = self.type(branch, namespace, (*steps, index), depth + 1)
            if part.kind == "union":
                raise SchemaError((*steps, index), "a union may not contain another one")
            if part.branch in {other.branch for other in parts}:
                raise SchemaError((*steps, index), f"a union has {part.branch} once only")
            parts.append(part)
        return Type("union", steps, parts=tuple(parts))

    def _reference(self, name: str, namespace: str, steps: Steps) -> Type:
        if name in PRIMITIVES:
            return Type(name, steps)
        found = self.names.get(_full_name(name, namespace))
        if found is None:
            raise SchemaError(steps, f"unknown type {name!r}")
        return found

    def _named(self, node: dict[str, Any], namespace: str, steps: Steps, depth: int) -> Type:
        own = node.get("namespace", namespace)
        name = _full_name(_text(node, "name", steps), own if isinstance(own, str) else namespace)
        if wrong := [part for part in name.split(".") if not _NAME.fullmatch(part)]:
            raise SchemaError((*steps, "name"), f"{wrong[0]!r} is no name: letters, digits and _, no digit first")
        if name in self.names or name in PRIMITIVES:
            raise SchemaError((*steps, "name"), f"{name} is defined already")
        namespace = name.rpartition(".")[0]
        aliases = frozenset(_full_name(alias, namespace) for alias in _texts(node, "aliases", steps))
        made = Type("record" if node["type"] == "error" else node["type"], steps, name, aliases)
        if made.kind != "record":  # what is in a record may refer to it; these are whole at once
            _enum_or_fixed(made, node, steps)
        self.names[name] = made
        if made.kind == "record":
            made.fields = self._fields(node, namespace, steps, depth)
        return _with_logical(made, node)

    def _fields(self, node: dict[str, Any], namespace: str, steps: Steps, depth: int) -> tuple[Field, ...]:
        items = node.get("fields")
        if not isinstance(items, list):
            raise SchemaError(steps, "a record has an array of fields")
        fields: dict[str, Field] = {}
        for index, item in enumerate(items):
            place = (*steps, "fields", index)
            if not isinstance(item, dict) or "type" not in item:
                raise SchemaError(place, "a field is an object with a name and a type")
            name = _text(item, "name", place)
            if not _NAME.fullmatch(name):
                raise SchemaError(place, f"{name!r} is no name: letters, digits and _, no digit first")
            if name in fields:
                raise SchemaError(place, f"the record has two fields {name!r}")
            kind = self.type(item["type"], namespace, (*place, "type"), depth + 1)
            fields[name] = Field(
                name, kind, place, _texts(item, "aliases", place), "default" in item, item.get("default")
            )
        return tuple(fields.values())


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _text(node: Mapping[str, Any], key: str, steps: Steps) -> str:
    found = node.get(key)
    if not isinstance(found, str):
        raise SchemaError(steps, f"it has no {key}")
    return found


def _texts(node: Mapping[str, Any], key: str, steps: Steps) -> tuple[str, ...]:
    found = node.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise SchemaError((*steps, key), f"{key} is an array of texts")
    return tuple(found)


def _enum_or_fixed(made: Type, node: Mapping[str, Any], steps: Steps) -> None:
    if made.kind == "fixed":
        made.size = node.get("size", -1)
        if not isinstance(made.size, int) or isinstance(made.size, bool) or made.size < 0:
            raise SchemaError(steps, f"fixed {made.name} has a size in bytes")
        return
    made.symbols = _texts(node, "symbols", steps)
    for index, symbol in enumerate(made.symbols):
        if not _NAME.fullmatch(symbol) or symbol in made.symbols[:index]:
            raise SchemaError((*steps, "symbols", index), f"{symbol!r} is there twice, or is no name")
    if "default" in node:
        made.default_symbol = _text(node, "default", steps)
        if made.default_symbol not in made.symbols:
            raise SchemaError((*steps, "default"), f"the default {made.default_symbol!r} is none of the symbols")


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _with_logical(plain: Type, node: Mapping[str, Any]) -> Type:
    """Set the logical type of a type if it is one that Avro knows, on a type that may carry it."""
    logical = node.get("logicalType")
    if not isinstance(logical, str) or plain.kind not in _LOGICAL.get(logical, ()):
        return plain
    if plain.kind == "fixed" and plain.size != _SIZES.get(logical, plain.size):
        return plain
    if logical == "decimal":
        precision, scale = node.get("precision"), node.get("scale", 0)
        if not (isinstance(precision, int) and isinstance(scale, int) and 0 <= scale <= precision and precision > 0):
            return plain
        if plain.kind == "fixed" and 10**precision > 1 << (8 * plain.size - 1):
            return plain
        plain.precision, plain.scale = precision, scale
    plain.logical = logical
    return plain
