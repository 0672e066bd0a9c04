"""Every check, in the order of its name. A name stays with its meaning for ever; a new check gets a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.checks import certificates, configuration, data, durability, kafka, machine, services, versions
from backbone.doctor.finding import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.doctor.evidence import Evidence
    from backbone.doctor.finding import Check

CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (
            check
            for theme in (machine, configuration, data, kafka, services, durability, certificates, versions)
            for check in theme.register.checks
        ),
        key=lambda check: check.name,
    )
)


ELSEWHERE = ("D028", "D029", "D030", "D031", "D050", "D051", "D052", "D053", "D054", "D060", "D061", "D063")
"""The checks that a cluster can be put to whose files and machines are not ours: it is asked, and nothing else is."""


def diagnose(evidence: Evidence, names: Sequence[str] = ()) -> list[Result]:
    """Put every check to the evidence, or those of some names."""
    return [_answer(check, evidence) for check in CHECKS if not names or check.name in names]


def _answer(check: Check, evidence: Evidence) -> Result:
    for need in check.needs:
        if getattr(evidence, need) is None:
            return Result(check, reason=evidence.unseen.get(need, f"{need} could not be checked"))
    return Result(check, tuple(check.judge(evidence)))
