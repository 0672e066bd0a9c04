"""Whether a version of a contract may follow the earlier ones, judged offline by the Avro project's checker.

The checker answers for two whole schemas and mixes up its reasons. So records are walked field by field here,
and each pair of field types is given to it: then a reason belongs to one field, and a field to one line. It
ignores logical types, although their meaning is part of the contract: a change of one is a finding here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
    lookup_writer_field,
    schema_name_equals,
)
from avro.schema import RecordSchema, Schema, UnionSchema, parse

from backbone.events.contracts import jsonschemas
from backbone.events.contracts.model import Contract, Finding, Level, Version, field_steps
from backbone.events.contracts.positions import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOGICAL = ("logicalType", "precision", "scale")


class Break(NamedTuple):
    """One reason why data of the writer cannot be read: the field, by the names on the way to it, and why."""

    field: tuple[str, ...]
    reason: str


def pairs(level: Level, versions: Sequence[Version]) -> Iterator[tuple[Version, Version]]:
    """Yield (reader, writer) for every pair that a level promises: what the first reads, the second wrote.

    Levels as the Confluent Schema Registry defines them: BACKWARD, the new one reads what the one before
    wrote; FORWARD, the one before reads what the new one writes; FULL, both; _TRANSITIVE, all earlier ones.
    """
    kind, _, transitive = level.partition("_")
    for index, new in enumerate(versions):
        for old in versions[0 if transitive else max(index - 1, 0) : index]:
            if kind in ("BACKWARD", "FULL"):
                yield new, old
            if kind in ("FORWARD", "FULL"):
                yield old, new


def check(contract: Contract) -> list[Finding]:
    """Return what breaks the promise of the contract's level, at the line of the newer version's file."""
    judge = jsonschemas.breaks if contract.latest.is_json else breaks
    parsed: dict[int, Any] = {
        version.number: version.schema if version.is_json else parse(version.text) for version in contract.versions
    }
    findings = []
    for reader, writer in pairs(contract.compatibility, contract.versions):
        newer = max(reader, writer, key=lambda version: version.number)
        for place, reason in judge(parsed[reader.number], parsed[writer.number]):
            steps = jsonschemas.steps(place) if newer.is_json else field_steps(newer.schema, place)
            name = ".".join(place) or newer.schema.get("name", "the schema")
            findings.append(
                Finding(
                    file=newer.file,
                    line=line_of(newer.text, steps),
                    rule="incompatible",
                    message=f"{name}: {reason}, so v{reader.number} cannot read "
                    f"what v{writer.number} wrote ({contract.compatibility})",
                )
            )
    return findings


def breaks(reader: Schema, writer: Schema, names: tuple[str, ...] = ()) -> Iterator[Break]:
    """Yield every reason why `reader` cannot read what `writer` wrote."""
    if not (isinstance(reader, RecordSchema) and isinstance(writer, RecordSchema)):
        yield from _type_breaks(reader, writer, names)
        return
    if not schema_name_equals(reader, writer):
        yield Break(names, f"the record was renamed from {writer.fullname} to {reader.fullname} without an alias")
    for field in reader.fields:
        path = (*names, field.name)
        counterpart = lookup_writer_field(writer, field)
        if counterpart is None:
            if not field.has_default:
                yield Break(path, "the field has no default and is not in every version")
        else:
            yield from breaks(field.type, counterpart.type, path)


def _type_breaks(reader: Schema, writer: Schema, names: tuple[str, ...]) -> Iterator[Break]:
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
    if result.compatibility is not SchemaCompatibilityType.compatible:
        detail = "; ".join(sorted(result.messages))
        if SchemaIncompatibilityType.missing_enum_symbols in result.incompatibilities:
            detail = f"the enum does not know {detail}"
        yield Break(names, detail or f"{_name(writer)} became {_name(reader)}")
    elif (before := _logical(writer)) != (after := _logical(reader)):
        yield Break(names, f"the meaning changed from {before} to {after} under the same bytes")


def _logical(schema: Schema) -> str:
    """Return the logical type in words; in a nullable type, that of the branch that is not null."""
    if isinstance(schema, UnionSchema):
        branches = [branch for branch in schema.schemas if branch.type != "null"]
        return _logical(branches[0]) if len(branches) == 1 else "a union"
    found = [f"{schema.props[key]}" for key in _LOGICAL if key in schema.props]
    return " ".join(found) or "a plain value"


def _name(schema: Schema) -> str:
    return str(getattr(schema, "fullname", "") or schema.type)
