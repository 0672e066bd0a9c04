"""Resources judged as the Kubernetes API server does: by the schema of their CRD, made strict, and the CRD's own rules.

The CRDs are the operator's files (install/cluster-operator/*-Crd-*.yaml of its release); this project has none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from backbone import json_schema
from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.strimzi import cel
from backbone.strimzi.manifest import Manifest, Steps, documents, way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_RULES = "x-kubernetes-validations"
_OPEN = "x-kubernetes-preserve-unknown-fields"
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_METADATA = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 253},
        "namespace": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9][-A-Za-z0-9_.]*)?$"},
        },
        "annotations": _STRINGS,
    },
}
"""What a file says of a resource beside its specification (ObjectMeta); the server adds the rest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one file: the way to it, and why."""

    file: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of one kind: its strict schema, and (way to the value, rule, message) of its own rules."""

    schema: Mapping[str, Any]
    rules: tuple[tuple[Steps, str, str], ...]


def read(folder: Path) -> dict[tuple[str, str], Definition]:
    """Return (apiVersion, kind) → definition of every CRD in a folder's YAML files.

    Raises StackError("no-crds") if there is none.
    """
    found: dict[tuple[str, str], Definition] = {}
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        try:
            for body in documents(path):
                if isinstance(body, dict) and body.get("kind") == "CustomResourceDefinition":
                    found |= _definitions(body["spec"])
        except (yaml.YAMLError, *reading.NONSENSE) as error:
            raise _none(folder, f"{path.name}: {error}") from error
    if not found:
        raise _none(folder, "no file there has the kind CustomResourceDefinition")
    return found


def _none(folder: Path, why: str) -> StackError:
    return StackError(
        "no-crds",
        f"{folder} holds no CRDs",
        context=why,
        hint="see docs/kubernetes.md: they are files of the operator's release",
        exit_code=ExitCode.USAGE,
    )


def _definitions(spec: Mapping[str, Any]) -> dict[tuple[str, str], Definition]:
    found = {}
    for version in spec["versions"]:
        if version.get("served", True):
            schema = version["schema"]["openAPIV3Schema"]
            key = f"{spec['group']}/{version['name']}", str(spec["names"]["kind"])
            found[key] = Definition(_whole(_strict(schema)), tuple(_rules(schema, ())))
    return found


def _whole(schema: Mapping[str, Any]) -> dict[str, Any]:
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _METADATA}
    properties = {**schema.get("properties", {}), **own}
    properties.pop("status", None)  # the operator's answer; nobody applies one
    required = sorted({*schema.get("required", ()), "apiVersion", "kind", "metadata", "spec"})
    return {**schema, "properties": properties, "required": required, "additionalProperties": False}


def _strict(schema: Any) -> Any:
    """Return a schema in which a field that it does not name is a fault, as `kubectl apply` has it."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value if key in {"enum", "default"} else _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema and not schema.get(_OPEN):
        found.setdefault("additionalProperties", False)
    return found


def _rules(schema: Any, steps: Steps) -> Iterator[tuple[Steps, str, str]]:
    """Yield the rules of a schema; the step "*" stands for each item of a list, or each value of a map."""
    if not isinstance(schema, dict):
        return
    for rule in schema.get(_RULES, ()):
        yield steps, str(rule["rule"]), str(rule.get("message", rule["rule"]))
    for name, part in (schema.get("properties") or {}).items():
        yield from _rules(part, (*steps, name))
    for key in ("items", "additionalProperties"):
        yield from _rules(schema.get(key), (*steps, "*"))


def judge(manifests: Sequence[Manifest], definitions: Mapping[tuple[str, str], Definition]) -> list[Fault]:
    """Return what is wrong with those resources whose group the CRDs define; an unknown kind or version is a fault."""
    groups = {api.partition("/")[0] for api, _ in definitions}
    return [
        fault
        for each in manifests
        if str(each.body.get("apiVersion", "")).partition("/")[0] in groups
        for fault in _judged(each, definitions)
    ]


def _judged(manifest: Manifest, definitions: Mapping[tuple[str, str], Definition]) -> Iterator[Fault]:
    api = str(manifest.body.get("apiVersion", ""))
    definition = definitions.get((api, manifest.kind))
    if definition is None:
        known = ", ".join(sorted({kind for _, kind in definitions}))
        yield Fault(manifest.file, "kind", f"the CRDs have no {manifest.kind or 'kind'} in {api}; they have {known}")
        return
    for departure in json_schema.departures(dict(definition.schema), dict(manifest.body)):
        yield Fault(manifest.file, way(departure.path) or manifest.kind, departure.message)
    for steps, rule, message in definition.rules:
        for place, value in _values(manifest.body, steps, ()):
            try:
                if not cel.holds(rule, value):
                    yield Fault(manifest.file, way(place), message)
            except cel.UnknownRule as error:
                yield Fault(manifest.file, way(place), f"cannot be judged: {error}")


def _values(value: Any, steps: Steps, place: Steps) -> Iterator[tuple[Steps, Any]]:
    if not steps:
        yield place, value
        return
    first, rest = steps[0], steps[1:]
    if first == "*":
        for step, part in enumerate(value) if isinstance(value, list) else getattr(value, "items", dict)():
            yield from _values(part, rest, (*place, step))
    elif isinstance(value, dict) and first in value:
        yield from _values(value[first], rest, (*place, first))
