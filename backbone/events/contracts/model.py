"""What a contract is: a subject, the rules for its change, and its versions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from backbone.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SHOWN = 20
Level: TypeAlias = Literal[
    "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"
]
"""A compatibility level in the registry's words (Confluent Schema Registry API, /config)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a file; `line` counts from 1. A warning keeps nothing from being published."""

    file: Path
    line: int
    rule: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a schema: its number, file, text and the value that the text says."""

    number: int
    file: Path
    text: str
    schema: dict[str, Any]

    @property
    def canonical(self) -> str:
        """The schema as one line of JSON, equal for texts that differ in layout only."""
        return canonical(self.schema)

    @property
    def compact(self) -> str:
        """The schema as it is sent: its own order of keys and fields, without layout."""
        return json.dumps(self.schema, separators=(",", ":"), ensure_ascii=False)

    @property
    def is_json(self) -> bool:
        """True for JSON Schema, false for Avro."""
        return is_json_schema(self.schema)


@dataclass(frozen=True, slots=True)
class Contract:
    """A subject of the registry as git describes it, versions in order."""

    subject: str
    file: Path
    topic: str
    key: str
    owner: str
    doc: str
    compatibility: Level
    consumers: tuple[str, ...]
    versions: tuple[Version, ...]

    @property
    def latest(self) -> Version:
        """The version that producers write."""
        return self.versions[-1]


@dataclass(frozen=True, slots=True)
class Contracts:
    """The sound contracts of a checkout, and the level that the registry holds for subjects it does not know.

    faulty: subject (or registry.yml, then there is no default level) → what is wrong with it; others are not touched.
    """

    default_level: Level | None
    contracts: tuple[Contract, ...]
    faulty: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)

    def for_topic(self, topic: str) -> Contract | None:
        """Return the contract of a topic's values, if it has one; StackError("contracts-invalid") if it is faulty."""
        if found := self.faulty.get(f"{topic}-value"):
            raise invalid({f"{topic}-value": found})
        return next((contract for contract in self.contracts if contract.topic == topic), None)


def invalid(faulty: Mapping[str, tuple[Finding, ...]]) -> StackError:
    """Return the error for faulty contracts, with file, line and reason of each fault."""
    findings = [each for found in faulty.values() for each in found]
    return StackError(
        "contracts-invalid",
        f"{', '.join(sorted(faulty))}: {len(findings)} fault{'s'[: len(findings) > 1]}",
        context="\n".join(map(str, findings[:_SHOWN])),
        hint="./invoke contracts check",
    )


def is_json_schema(schema: object) -> bool:
    """Tell a JSON Schema from an Avro one: the first says so itself."""
    return isinstance(schema, dict) and "$schema" in schema


def canonical(schema: object) -> str:
    """Return a JSON value as one line with sorted keys."""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"))
