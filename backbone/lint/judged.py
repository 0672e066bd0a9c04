"""A finding as it counts, and one cause as one finding with every place where it holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from backbone.lint.model import Severity

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from backbone.lint.model import Finding, Rule

KAFKA_FAMILIES = ("KC0", "KC1", "KC7")
"""Where codes of rules begin that say whether the project loads and Kafka works as it is written."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding with the rule that made it and the severity that counts."""

    rule: Rule
    finding: Finding
    severity: Severity
    path: str
    """Relative to the project's folder, with forward slashes."""
    also: tuple[Judged, ...] = ()
    """The same cause at other places (`merged`)."""

    @property
    def identity(self) -> str:
        """Stable over rewording and moved lines: code, file, service and evidence, hashed."""
        parts = (self.rule.code, self.path, self.finding.service, self.finding.evidence)
        return sha256("\0".join(parts).encode()).hexdigest()[:32]

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Sort key: place, then code."""
        at = self.finding.at
        return self.path, at.line, at.column, self.rule.code, self.finding.evidence

    @property
    def is_hygiene(self) -> bool:
        """Say whether it is advice that has to do neither with loading nor with Kafka; an error is never advice."""
        return self.severity < Severity.ERROR and not self.rule.code.startswith(KAFKA_FAMILIES)

    @property
    def why(self) -> str:
        """The finding's own reason, else the first paragraph of the rule's."""
        return self.finding.why or " ".join(self.rule.doc.why.split("\n\n")[0].split())


def merged(found: Iterable[Judged]) -> tuple[Judged, ...]:
    """Return findings by place; those of one cause are one, the first of them, with the others in `also`.

    One cause is: the same rule says the same sentence, or it says of several services what is written at one place (an
    anchor that they share).
    """
    groups: list[list[Judged]] = []
    known: dict[Hashable, list[Judged]] = {}
    for judged in sorted(found, key=lambda judged: judged.order):
        keys = _keys(judged)
        group = next((known[key] for key in keys if key in known), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(judged)
        known |= dict.fromkeys(keys, group)
    return tuple(replace(group[0], also=tuple(group[1:])) for group in groups)


def apart(found: Iterable[Judged]) -> list[Judged]:
    """Return each place as a finding of its own: the opposite of `merged`."""
    return [each for judged in found for each in (replace(judged, also=()), *judged.also)]


def _keys(judged: Judged) -> tuple[Hashable, Hashable]:
    finding, at = judged.finding, judged.finding.at
    said = (judged.rule.code, judged.severity, finding.message, finding.help)
    of_any = tuple(text.replace(finding.service, "*") if finding.service else text for text in said[2:])
    return said, (judged.rule.code, judged.severity, at.path, at.start, at.end, *of_any)
