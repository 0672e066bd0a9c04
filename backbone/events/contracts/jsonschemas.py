"""Contracts in JSON Schema (draft 7, which the registry takes as schemaType JSON), judged offline.

No kept Python library judges whether one such schema may follow another, and for the whole language nobody can. So a
contract keeps to a part of it for which the question is easy: objects with named properties, arrays of one kind of
item, types, enums, and limits on single values. What lies outside (`oneOf`, `$ref`, `patternProperties` …) is refused.
"""

from __future__ import annotations

import operator
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from backbone import json_schema
from backbone.events.contracts.jsontext import Violation, cut, join
from backbone.events.contracts.positions import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from backbone.events.contracts.positions import Step

Node: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, ...]
"""The way to a value by the names of properties; ITEM stands for the items of an array."""

DIALECT = "http://json-schema.org/draft-07/schema#"
ITEM = "[]"
_STRUCTURE = {"type", "properties", "required", "additionalProperties", "items", "enum"}
_WORDS = {"$schema", "$id", "title", "description", "default", "examples", "format"}
_PROPERTY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LIMITS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems"), operator.le),
        **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems"), operator.ge),
        **dict.fromkeys(("multipleOf", "pattern", "uniqueItems"), operator.eq),
    }
)
"""Limits on a single value: does the reader's let everything through that the writer's did?"""


class JsonConverter(NamedTuple):
    """Judges JSON values; they are sent as they are."""

    schema: Node

    def convert(self, value: object) -> tuple[Any, list[Violation]]:
        """Return the value and everything that the contract does not allow."""
        found = json_schema.departures(self.schema, value)
        return value, [violation for departure in found for violation in self._violations(departure)]

    def _violations(self, departure: json_schema.Departure) -> Iterator[Violation]:
        """Yield what a departure says, each with the field that it is about."""
        path, node = "", self.schema
        for step in departure.path:
            path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
            node = node["items"] if isinstance(step, int) else node["properties"][step]
        if departure.keyword == "required":
            yield from (Violation(join(path, name), "is missing") for name in departure.names)
        elif departure.keyword == "additionalProperties":
            words = f"is not in the contract; it has {', '.join(node.get('properties', ()))}"
            yield from (Violation(join(path, name), words) for name in departure.names)
        else:
            yield Violation(path, cut(departure.message, 200))


def schema_error(schema: object, text: str) -> tuple[str, int] | None:
    """Return why this is no schema that can be judged and the line, None if it is one."""
    if not isinstance(schema, dict) or schema.get("$schema") != DIALECT:
        return f'"$schema" is {DIALECT}', 1
    if found := json_schema.fault(schema):
        return found.message, line_of(text, list(found.path))
    if schema.get("type") != "object":
        return "the schema of a topic's values is an object", 1
    for place, node in nodes(schema):
        if words := _outside(node):
            return words, line_of(text, steps(place))
    return None


def _outside(node: Node) -> str:
    """Say what keeps a node from being judged, "" if nothing does."""
    if unknown := sorted(node.keys() - _STRUCTURE - _WORDS - _LIMITS.keys()):
        return f"{unknown[0]!r} cannot be judged offline; there are {', '.join(sorted(_STRUCTURE | _LIMITS.keys()))}"
    if "type" not in node:
        return "a value without a type can be anything"
    if "object" in _types(node) and node.get("additionalProperties") is not False:
        return "an object says additionalProperties: false, or no property could ever be added to it"
    return ""


def nodes(node: Node, place: Place = ()) -> Iterator[tuple[Place, Node]]:
    """Yield every schema within a schema with its place, itself first."""
    yield place, node
    for name, part in node.get("properties", {}).items():
        if isinstance(part, dict):
            yield from nodes(part, (*place, name))
    if isinstance(node.get("items"), dict):
        yield from nodes(node["items"], (*place, ITEM))


def steps(place: Place) -> list[Step]:
    """Return the way to a place through the schema's JSON."""
    return [step for name in place for step in (("items",) if name == ITEM else ("properties", name))]


def style(schema: Node) -> Iterator[tuple[list[Step], str, str]]:
    """Yield (place, rule, words) for every property that is named or documented unlike the rest."""
    for place, node in nodes(schema):
        if not place or place[-1] == ITEM:
            continue
        if not _PROPERTY.fullmatch(place[-1]):
            yield steps(place), "name-style", f"{place[-1]!r}: a property's name is snake_case"
        if not str(node.get("description", "")).strip():
            yield steps(place), "doc-missing", f"{place[-1]!r} has no description"


def has_key(schema: Node, key: str) -> bool:
    """Tell whether a property is text and always there."""
    return schema["properties"].get(key, {}).get("type") == "string" and key in schema.get("required", ())


def breaks(reader: Node, writer: Node, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield every reason why `reader` refuses something that `writer` lets through, with its place."""
    if refused := _types(writer) - _taken(_types(reader)):
        yield place, f"it was {' or '.join(sorted(refused))} and is {' or '.join(sorted(_types(reader)))}"
        return
    if "enum" in reader and (unknown := [value for value in writer.get("enum", [...]) if value not in reader["enum"]]):
        yield place, "the values were not limited" if unknown == [...] else f"the enum does not know {unknown}"
    for limit, lets_through in _LIMITS.items():
        if limit in reader and not (limit in writer and lets_through(reader[limit], writer[limit])):
            yield place, f"{limit} {reader[limit]} is narrower than {writer.get(limit, 'none')}"
    if "items" in reader:
        yield from breaks(reader["items"], writer.get("items", {}), (*place, ITEM))
    if "object" in _types(reader) & _types(writer):
        yield from _property_breaks(reader, writer, place)


def _property_breaks(reader: Node, writer: Node, place: Place) -> Iterator[tuple[Place, str]]:
    known, written = reader.get("properties", {}), writer.get("properties", {})
    for name in written:
        if name in known:
            yield from breaks(known[name], written[name], (*place, name))
        else:
            yield (*place, name), "the property is not in every version, and no other one is taken"
    for name in reader.get("required", ()):
        if name not in writer.get("required", ()):
            yield (*place, name), "the property is required and was not always there"


def _types(node: Node) -> set[str]:
    """Return the types a value may have; all of them where nothing is said."""
    found: str | Sequence[str] = node.get("type", "any value")
    return {found} if isinstance(found, str) else set(found)


def _taken(types: set[str]) -> set[str]:
    return types | {"integer"} if "number" in types else types
