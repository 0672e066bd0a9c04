"""Every check, in the order of its name. A name stays with its meaning for ever; a new check gets a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.doctor.checks import cluster, configuration, data, machine, services
from scripts.doctor.finding import Result

if TYPE_CHECKING:
    from scripts.doctor.evidence import Evidence
    from scripts.doctor.finding import Check

CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (check for theme in (machine, configuration, data, cluster, services) for check in theme.register.checks),
        key=lambda check: check.name,
    )
)


def diagnose(evidence: Evidence) -> list[Result]:
    """Put every check to the evidence."""
    return [_answer(check, evidence) for check in CHECKS]


def _answer(check: Check, evidence: Evidence) -> Result:
    for need in check.needs:
        if getattr(evidence, need) is None:
            return Result(check, reason=evidence.unseen.get(need, f"{need} could not be seen"))
    return Result(check, tuple(check.judge(evidence)))
