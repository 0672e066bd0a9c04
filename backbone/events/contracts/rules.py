"""What every contract has to keep besides compatibility: it parses, is documented, named as the rest."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import fastavro
from fastavro.schema import SchemaParseException

from backbone.events.contracts import avrotypes, defaults, jsonschemas
from backbone.events.contracts.model import Contract, Finding, Version, canonical, is_json_schema
from backbone.events.contracts.positions import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.events.contracts.avrotypes import Type
    from backbone.events.contracts.positions import Step

_FIELD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TYPE = re.compile(r"([A-Z][a-z0-9]*)+")
_WARNINGS = frozenset({"doc-missing", "logical-type"})
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


def schema_error(schema: object, text: str) -> tuple[str, int] | None:
    """Return why this is no Avro schema and the line, None if it is one; the defaults are judged with it."""
    try:
        root = avrotypes.read(schema)
        if root.kind != "record":
            return "the schema of a topic's values is a record", 1
        _judge_defaults(root)
        fastavro.parse_schema(copy.deepcopy(schema))  # type: ignore[arg-type]  # the one that writes has to take it too
    except avrotypes.SchemaError as error:
        return str(error), line_of(text, error.steps)
    except (SchemaParseException, ValueError, KeyError, TypeError) as error:
        return str(error).splitlines()[0], 1
    return None


def _judge_defaults(root: Type) -> None:
    """Raise SchemaError for the first default that is no value of its field's type."""
    left, seen = [root], {root.name}
    while left:
        kind = left.pop()
        for field in kind.fields:
            if field.has_default:
                try:
                    defaults.default(field.type, field.default)
                except ValueError as error:
                    raise avrotypes.SchemaError(field.steps, f"{field.name}: {error}") from error
        parts = [*kind.parts, *(field.type for field in kind.fields)]
        left += [part for part in parts if not part.name or part.name not in seen]
        seen |= {part.name for part in parts}


def check(contract: Contract) -> list[Finding]:
    """Return what a contract's versions miss: documentation, names, the key, a difference."""
    findings = []
    if not contract.doc.strip():
        findings.append(Finding(contract.file, 1, "doc-missing", "doc: missing, what are these records?", warning=True))
    for version in contract.versions:
        walk = jsonschemas.style(version.schema) if version.is_json else _walk(version.schema, [])
        findings += [_finding(version, steps, rule, words) for steps, rule, words in walk]
        findings += _key(contract, version)
    said: dict[str, int] = {}
    for version in contract.versions:
        same = said.setdefault(canonical(essence(version.schema)), version.number)
        if same != version.number:
            words = f"v{version.number} says the same as v{same}, but for docs, aliases, enums' and null defaults"
            findings.append(_finding(version, [], "unchanged", words))
    return findings


def essence(node: Any) -> Any:
    """Return an Avro schema as the registry (Apicurio 3.3.3) compares it with those it has, to add no version twice.

    It leaves out docs, aliases, the defaults of enums, and a field's default that is null.
    """
    if isinstance(node, list):
        return [essence(each) for each in node]
    if not isinstance(node, dict) or is_json_schema(node):
        return node
    kept = {key: value for key, value in node.items() if key not in ("doc", "aliases")}
    if kept.get("type") == "enum" or kept.get("default", ...) is None:
        kept.pop("default", None)
    return {key: value if key == "default" else essence(value) for key, value in kept.items()}


def _key(contract: Contract, version: Version) -> Iterator[Finding]:
    if version.is_json:
        if not jsonschemas.has_key(version.schema, contract.key):
            message = f"the key {contract.key!r} of {contract.file.name} is no required text of v{version.number}"
            yield _finding(version, ["properties"], "key-field", message)
        return
    types = {field.name: field.type for field in avrotypes.read(version.schema).fields}
    if contract.key not in types or types[contract.key].kind != "string":
        message = f"the key {contract.key!r} of {contract.file.name} is no string field of v{version.number}"
        yield _finding(version, ["fields"], "key-field", message)


def _finding(version: Version, steps: list[Step], rule: str, message: str) -> Finding:
    return Finding(version.file, line_of(version.text, steps), rule, message, warning=rule in _WARNINGS)


def _walk(node: object, steps: list[Step]) -> Iterator[tuple[list[Step], str, str]]:
    """Yield (place, rule, words) for every named type and field below a type."""
    if isinstance(node, list):
        for index, branch in enumerate(node):
            yield from _walk(branch, [*steps, index])
    if not isinstance(node, dict):
        return
    if node["type"] in ("record", "enum", "fixed"):
        yield from _named(node, [*steps, "name"], _TYPE, "a type's name is PascalCase")
    for index, symbol in enumerate(node.get("symbols", ())):
        if not _SYMBOL.fullmatch(symbol):
            yield [*steps, "symbols", index], "name-style", f"{symbol!r}: an enum's symbols are UPPER_CASE"
    for index, field in enumerate(node.get("fields", ())):
        place = [*steps, "fields", index]
        yield from _named(field, place, _FIELD, "a field's name is snake_case")
        yield from _logical(field, place)
        yield from _walk(field["type"], [*place, "type"])
    yield from _logical(node, steps)
    for key in ("items", "values", "type"):
        if isinstance(node.get(key), dict | list):
            yield from _walk(node[key], [*steps, key])


def _logical(node: dict[str, Any], steps: list[Step]) -> Iterator[tuple[list[Step], str, str]]:
    """Yield what says a logical type and is none: a misspelt one, one of another type, or one beside a field's type."""
    if "logicalType" not in node:
        return
    is_field = "name" in node and node["type"] != "fixed"
    if is_field or not avrotypes.logical_of(node):
        words = f"{node['logicalType']!r} is ignored by every reader: it belongs into the object of a type it is for"
        yield [*steps, "logicalType"], "logical-type", words


def _named(
    node: dict[str, Any], place: list[Step], style: re.Pattern[str], words: str
) -> Iterator[tuple[list[Step], str, str]]:
    if not style.fullmatch(node["name"]):
        yield place, "name-style", f"{node['name']!r}: {words}"
    if not str(node.get("doc", "")).strip():
        yield place, "doc-missing", f"{node['name']!r} has no doc"
