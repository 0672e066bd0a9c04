"""The run that accused a sound cluster (issue: plan 2611, twenty faults), with the same fault in its own request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kafka.errors import UnknownError

from backbone.errors import StackError
from backbone.failover.campaign import attempt
from backbone.failover.identity import differences
from backbone.failover.journal import load
from backbone.failover.plan import generate
from backbone.failover.run import Run, whole_run
from backbone.failover.verdict import judge
from tests.unit.failover.simulation import simulated

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.failover.plan import Need
    from backbone.failover.verdict import Verdict

SIGNALS: Need = "signals"
PLAN = generate(2611, 20, (SIGNALS,))
REQUEST = 25
"""The second move of a leader, after 23 questions for settings: a broker has just started and does not answer."""


def done(run: Run) -> tuple[BaseException | None, Verdict]:
    error = attempt(run, lambda: whole_run(run, PLAN))
    return error, judge(load(run.settings.folder))


def test_without_a_hindrance_it_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, verdict = done(simulated(tmp_path, monkeypatch))
    assert error is None
    assert verdict.answer == "valid", verdict


def test_a_request_of_its_own_that_meets_a_broker_that_is_down_is_ridden_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, verdict = done(simulated(tmp_path, monkeypatch, request=REQUEST, outage=12))
    assert error is None
    assert verdict.answer == "valid", verdict


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (None, "timed-out: waited 60 s for the wanted leaders of t (kafka-request:"),
        (UnknownError("?"), "kafka-request: the cluster refused or did not answer a request"),
    ],
    ids=["for longer than a recovery", "refused at once, right after a heal"],
)
def test_a_request_that_fails_for_good_makes_it_unknown_and_accuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception | None, words: str
) -> None:
    error, verdict = done(simulated(tmp_path, monkeypatch, request=REQUEST, outage=3_600, error=refusal))
    assert isinstance(error, StackError)
    assert verdict.violations == ()
    assert verdict.answer == "unknown"
    assert verdict.doubts[0].startswith(f"the run stopped early: {words}")
    assert "then run it again" in verdict.doubts[0]
    assert not any("died" in doubt for doubt in verdict.doubts)


def test_two_profiles_make_the_figures_void_and_not_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = simulated(tmp_path, monkeypatch, sessions={1: 1500, 2: 9000, 3: 1500})
    _, verdict = done(run)
    assert verdict.answer == "valid", verdict
    assert list(differences(load(run.settings.folder))) == [
        "broker.session.timeout.ms is 1500 (broker 1, broker 3) and 9000 (broker 2)"
    ]
