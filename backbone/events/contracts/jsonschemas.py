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

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, ValidationError

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
        try:
            errors = sorted(Draft7Validator(self.schema).iter_errors(value), key=lambda each: str(each.absolute_path))
            return value, [violation for error in errors for violation in _violations(error)]
        except (ArithmeticError, RecursionError) as error:  # a limit such as multipleOf meets a number of 300 digits
            return value, [Violation("", f"cannot be judged: {error}")]


def _violations(error: ValidationError) -> Iterator[Violation]:
    """Yield what an error says, each with the field that it is about."""
    path = ""
    for step in error.absolute_path:
        path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
    if error.validator == "required":
        yield Violation(join(path, error.message.split("'")[1]), "is missing")
    elif error.validator == "additionalProperties" and isinstance(error.instance, dict):
        names = list(error.schema.get("properties", ())) if isinstance(error.schema, dict) else []
        unknown = [name for name in error.instance if name not in names]
        yield from (
            Violation(join(path, name), f"is not in the contract; it has {', '.join(names)}") for name in unknown
        )
    else:
        yield Violation(path, cut(error.message, 200))


def schema_error(schema: object, text: str) -> tuple[str, int] | None:
    """Return why this is no schema that can be judged and the line, None if it is one."""
    try:
        Draft7Validator.check_schema(schema)  # type: ignore[arg-type]  # any JSON: what it makes of it is the question
    except SchemaError as error:
        return error.message, line_of(text, list(error.absolute_path))
    if not isinstance(schema, dict) or schema.get("$schema") != DIALECT:
        return f'"$schema" is {DIALECT}', 1
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
