"""Whether a version of a contract may follow the earlier ones, judged offline at the level that the contract names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.events.contracts import avrotypes, jsonschemas, resolution
from backbone.events.contracts.model import Contract, Finding, Level, Version
from backbone.events.contracts.positions import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.events.contracts.positions import Step


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
    findings = []
    for reader, writer in pairs(contract.compatibility, contract.versions):
        newer = max(reader, writer, key=lambda version: version.number)
        for place, reason, steps in breaks(reader, writer):
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


def breaks(reader: Version, writer: Version) -> list[tuple[tuple[str, ...], str, Sequence[Step]]]:
    """Return (place, reason, its steps in the newer version) for all that `reader` cannot read of `writer`."""
    if reader.is_json:
        found = jsonschemas.breaks(reader.schema, writer.schema)
        return [(place, reason, jsonschemas.steps(place)) for place, reason in found]
    return [
        (each.place, each.reason, each.reader if reader.number > writer.number else each.writer)
        for each in resolution.breaks(avrotypes.read(reader.schema), avrotypes.read(writer.schema))
    ]
