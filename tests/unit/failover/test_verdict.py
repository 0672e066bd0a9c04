"""Three answers: a run that proves nothing is not a run that passed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backbone.failover.history import History, Pass
from backbone.failover.verdict import judge
from tests.unit.failover.samples import ALONE, BREAKS, FAULT, RECOVERED, SOUND, A, B, log, ok

UNSURE = {
    "nothing was read back": (replace(SOUND, passes=()), "never read back"),
    "the last pass was cut short": (
        replace(SOUND, passes=(*SOUND.passes, Pass("late", {0: log(A, B)}))),
        "pass late did not reach the fence",
    ),
    "no fence": (replace(SOUND, fences={}), "has no fence"),
    "nobody consumed": (replace(SOUND, deliveries=()), "nothing was delivered"),
    "a fault without proof": (
        replace(RECOVERED, faults=(replace(FAULT, proved=False, evidence="exit status 0"),)),
        "is not proved: exit status 0",
    ),
    "a fault without heal": (replace(SOUND, faults=(replace(FAULT, healed=None),)), "never healed"),
    "nothing written through the fault": (
        replace(RECOVERED, faults=(replace(FAULT, begun=1_000, healed=2_000),)),
        "no record sent during it",
    ),
    "a process died": (replace(SOUND, truncated=("producer-0.0",)), "producer-0.0 has no end"),
    "too many uncertain sends": (
        replace(SOUND, sends=(*SOUND.sends, ok(A._replace(n=9), 40, None)._replace(outcome="info"))),
        "1 of 5 sends have no certain outcome",
    ),
}


def test_a_sound_history_is_valid() -> None:
    assert judge(SOUND).answer == "valid"
    assert judge(RECOVERED).answer == "valid"


@pytest.mark.parametrize("name", UNSURE)
def test_what_proves_nothing_is_unknown_and_says_why(name: str) -> None:
    history, reason = UNSURE[name]
    verdict = judge(history)
    assert verdict.answer == "unknown"
    assert any(reason in doubt for doubt in verdict.doubts), verdict.doubts


def test_an_empty_history_is_unknown() -> None:
    assert judge(History(terms=SOUND.terms)).answer == "unknown"


def test_a_violation_outweighs_every_doubt() -> None:
    history = replace(BREAKS["S1"][0], partitions=ALONE, truncated=("observer",))
    verdict = judge(history)
    assert verdict.answer == "invalid"
    assert verdict.doubts


def test_uncertain_sends_are_excused_while_the_quorum_is_away() -> None:
    unsure = ok(A._replace(n=9), 2, None)._replace(outcome="info")
    fault = replace(FAULT, quorum_lost=True)
    assert judge(replace(RECOVERED, sends=(*RECOVERED.sends, unsure), faults=(fault,))).answer == "valid"
    assert judge(replace(RECOVERED, sends=(*RECOVERED.sends, unsure))).answer == "unknown"
