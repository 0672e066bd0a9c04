"""What a check is and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.doctor.evidence import Evidence

Severity = Literal["error", "warning"]
"""error: something does not work, or will not. warning: it works, but should be looked at."""

Status = Literal["ok", "error", "warning", "unknown"]
"""unknown: what the check looks at could not be seen, and why is said."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what was seen, why it is so, and the exact remedy.

    fix: the name of a safe repair in backbone/doctor/fixes.py, "" where a person has to decide.
    """

    severity: Severity
    evidence: str
    cause: str
    remedy: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A named check. needs: the fields of Evidence it looks at; if one is unknown, so is the answer."""

    name: str
    title: str
    needs: tuple[str, ...]
    judge: Callable[[Evidence], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Result:
    """A check's answer. reason: why the answer is unknown."""

    check: Check
    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @property
    def status(self) -> Status:
        """The worst of the findings."""
        if self.reason:
            return "unknown"
        if any(finding.severity == "error" for finding in self.findings):
            return "error"
        return "warning" if self.findings else "ok"

    def as_dict(self) -> dict[str, object]:
        """Return what `doctor --json` prints for a check."""
        return {
            "check": self.check.name,
            "title": self.check.title,
            "status": self.status,
            "reason": self.reason,
            "findings": [
                {
                    "severity": item.severity,
                    "evidence": item.evidence,
                    "cause": item.cause,
                    "remedy": item.remedy,
                    "fixable": bool(item.fix),
                }
                for item in self.findings
            ],
        }


@dataclass
class Register:
    """The checks of a theme, in the order of their definition."""

    checks: list[Check] = field(default_factory=list)

    def check(
        self, name: str, title: str, *needs: str
    ) -> Callable[[Callable[[Evidence], Iterator[Finding]]], Callable[[Evidence], Iterator[Finding]]]:
        """Add the decorated function as a check."""

        def add(judge: Callable[[Evidence], Iterator[Finding]]) -> Callable[[Evidence], Iterator[Finding]]:
            self.checks.append(Check(name, title, needs, judge))
            return judge

        return add
