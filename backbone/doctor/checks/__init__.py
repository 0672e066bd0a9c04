"""Every check, in the order of its name. A name stays with its meaning for ever; a new check gets a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.checks import configuration, data, kafka, machine, services
from backbone.doctor.finding import Result

if TYPE_CHECKING:
    from backbone.doctor.evidence import Evidence
    from backbone.doctor.finding import Check

CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (check for theme in (machine, configuration, data, kafka, services) for check in theme.register.checks),
        key=lambda check: check.name,
    )
)


def diagnose(evidence: Evidence) -> list[Result]:
    """Put every check to the evidence."""
    return [_answer(check, evidence) for check in CHECKS]


def _answer(check: Check, evidence: Evidence) -> Result:
    for need in check.needs:
        if getattr(evidence, need) is None:
            return Result(check, reason=evidence.unseen.get(need, f"{need} could not be checked"))
    return Result(check, tuple(check.judge(evidence)))
