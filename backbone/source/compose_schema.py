"""The Compose specification's JSON Schema over one file's nodes: every departure, in words, with its path.

The schema is schemas/compose-spec.json, the specification's own (compose-spec/compose-spec, Apache-2.0) as the
pinned check-jsonschema of the tests has it. Its dialect is named here, because older editions spell their `$schema`
so that tools take draft 7 for 2020-12.
"""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone import resources
from backbone.source.compose_file import ScalarNode, SequenceNode, entries, is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema_rs import Draft7Validator, Draft202012Validator, ValidationError

    from backbone.source.compose_file import Node

_BOOLEANS = {"true": True, "false": False}
_SCALARS = {"tag:yaml.org,2002:int": 0, "tag:yaml.org,2002:float": 0.5}
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "null": "nothing",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
}
_LONGEST = 160
_INTERPOLATED = "${}"
"""Begins text with a variable in it, whose type only Compose knows."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One departure: the path of the value, the unknown `key` in it (or ""), and words."""

    path: tuple[str | int, ...]
    message: str
    key: str = ""
    help: str = ""
    label: str = ""
    meant: str = ""


def departures(root: Node) -> Iterator[Departure]:
    """Yield every departure of a file from the schema, in the order the validator meets them."""
    instance = _instance(root, {})
    seen: set[tuple[object, ...]] = set()
    for error in _validator().iter_errors(instance):
        for departure in _explain(error):
            if (identity := (departure.path, departure.key)) not in seen:
                seen.add(identity)
                yield departure


@functools.cache
def schema() -> Mapping[str, Any]:
    """Return the schema."""
    found: Mapping[str, Any] = json.loads(resources.schema("compose-spec.json").read_text(encoding="utf-8"))
    return found


@functools.cache
def _validator() -> Draft7Validator | Draft202012Validator:
    # A tenth of the whole run, which `explain` and `--help` need not pay.
    from jsonschema_rs import Draft7Validator, Draft202012Validator  # noqa: PLC0415

    dialect = Draft7Validator if "draft-07" in schema()["$schema"] else Draft202012Validator
    return dialect(dict(schema()))


def _instance(node: Node, known: dict[int, object]) -> object:
    """Return the value a schema sees, typed as Compose types it and built once for all aliases of a node."""
    if id(node) in known:
        return known[id(node)]
    value: object
    if isinstance(node, ScalarNode):
        value = _scalar(node)
    elif isinstance(node, SequenceNode):
        value = [_instance(item, known) for item in node.value]
    else:
        value = {key: _instance(item, known) for key, (_, item) in entries(node).items() if item.tag != "!reset"}
    known[id(node)] = value
    return value


def _scalar(node: ScalarNode) -> object:
    """Return a scalar as go-yaml types it: `yes` and `22:22` are text, other than in YAML 1.1."""
    if "$" in node.value:
        return _INTERPOLATED + node.value  # two entries with different variables are two entries
    if not is_plain(node) or node.tag == "tag:yaml.org,2002:str":
        return node.value
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.tag == "tag:yaml.org,2002:bool":
        return _BOOLEANS.get(node.value.lower(), node.value)
    if node.tag in _SCALARS and ":" not in node.value:
        return _number(node)
    return node.value


def _number(node: ScalarNode) -> float | int:
    """Return a number; for notations that Python reads differently only the type is right."""
    try:
        return int(node.value) if node.tag.endswith("int") else float(node.value)
    except ValueError:
        return _SCALARS[node.tag]


def _explain(error: ValidationError) -> Iterator[Departure]:
    """Turn an error into departures: alternatives into the one that was meant, unknown keys into one each."""
    branches: list[list[ValidationError]] | None = getattr(error.kind, "context", None)
    path = tuple(error.instance_path)
    where = ".".join(str(step) for step in path) or "the file"
    if branches:
        yield from _alternatives(error, branches, where)
    elif unexpected := getattr(error.kind, "unexpected", None):
        known = _properties(tuple(error.schema_path))
        # A key whose value departs counts as unevaluated too; its own departure is told already.
        yield from (_unknown(path, where, key, known) for key in map(str, unexpected) if key not in known)
    elif _is_interpolated(error.instance):
        return
    elif types := _expected(error):
        yield _mistyped(error, where, types)
    else:
        yield Departure(path, f"{where}: {_plain(error)}", label=_label(error))


def _alternatives(error: ValidationError, branches: list[list[ValidationError]], where: str) -> Iterator[Departure]:
    """Explain the alternative whose type fits, since that is what the author was writing."""
    path = tuple(error.instance_path)
    fitting = [errors for errors in branches if errors and not any(_is_wrong_type(each, path) for each in errors)]
    if fitting:
        deepest = max(fitting, key=lambda errors: max(len(each.instance_path) for each in errors))
        for each in deepest:
            yield from _explain(each)
    elif not _is_interpolated(error.instance):
        types = [name for errors in branches for each in errors for name in _expected(each)]
        yield _mistyped(error, where, types)


def _mistyped(error: ValidationError, where: str, types: list[str]) -> Departure:
    wanted = " or ".join(dict.fromkeys(_TYPES.get(name, name) for name in types))
    message = f"{where} must be {wanted}, not {_shown(error.instance)}"
    return Departure(tuple(error.instance_path), message, label=f"must be {wanted}")


def _unknown(path: tuple[str | int, ...], where: str, key: str, known: list[str]) -> Departure:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return Departure(
        path,
        f"{where} has no key {key!r}" if known else f"{key!r} is no name that {where} allows",
        key=key,
        help=f"did you mean {close[0]!r}?" if close else "a key of your own begins with x-",
        label="unknown key",
        meant=close[0] if close else "",
    )


def _properties(schema_path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the schema at an error's path knows, references followed."""
    node = dict(schema())
    for step in schema_path[:-1]:
        node = _dereferenced(node)[step]  # type: ignore[index]  # a list of alternatives takes its number
    return list(_keys(node))


def _keys(node: dict[str, Any]) -> Iterator[str]:
    """Yield the keys a schema names, itself or through `allOf`."""
    node = _dereferenced(node)
    yield from node.get("properties", ())
    for part in node.get("allOf", ()):
        yield from _keys(part)


def _dereferenced(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target = dict(schema())
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def _expected(error: ValidationError) -> list[str]:
    """Return the type names an error asks for."""
    kind = error.kind.as_dict() if error.kind.name == "type" else {}
    types = kind.get("types", kind.get("value", ()))
    return [types] if isinstance(types, str) else list(types)


def _is_wrong_type(error: ValidationError, path: tuple[str | int, ...]) -> bool:
    return error.kind.name == "type" and tuple(error.instance_path) == path


def _is_interpolated(instance: object) -> bool:
    return isinstance(instance, str) and _INTERPOLATED in instance


def _plain(error: ValidationError) -> str:
    """Return the validator's sentence with a long value cut short."""
    return error.message if len(error.message) <= _LONGEST else error.message[:_LONGEST] + "…"


def _label(error: ValidationError) -> str:
    return f"not a valid {error.instance_path[-1]}" if error.instance_path else "not valid"


def _shown(instance: object) -> str:
    if isinstance(instance, dict | list):
        return _TYPES["object" if isinstance(instance, dict) else "array"]
    return json.dumps(instance)
