"""The checker finds exactly what is wrong, nothing else, and each of its rules is needed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from backbone.failover.checker import RULES, check, describe
from backbone.failover.history import History
from tests.unit.failover import reference
from tests.unit.failover.generator import random_history
from tests.unit.failover.samples import BREAKS, COMPANIONS, MORE_BREAKS, RECOVERED, SOUND


def broken(history: History, rules: tuple[str, ...] = RULES) -> set[str]:
    return {violation.rule for violation in check(history, rules)}


def test_every_rule_has_a_sample_and_a_title() -> None:
    assert set(BREAKS) == set(RULES)
    assert all(describe(rule) for rule in RULES)


def test_sound_histories_break_nothing() -> None:
    assert check(SOUND) == ()
    assert check(RECOVERED) == ()
    assert check(History(terms=SOUND.terms)) == ()


@pytest.mark.parametrize("rule", RULES)
def test_the_least_history_breaks_its_rule_alone(rule: str) -> None:
    history, _, subjects = BREAKS[rule]
    found = check(history)
    assert {violation.subject for violation in found if violation.rule == rule} == subjects
    assert broken(history) == {rule} | COMPANIONS.get(rule, set())


@pytest.mark.parametrize("rule", RULES)
def test_its_nearest_legal_neighbour_breaks_nothing(rule: str) -> None:
    assert check(BREAKS[rule][1]) == ()


@pytest.mark.parametrize("rule", RULES)
def test_without_the_rule_the_anomaly_goes_unnoticed(rule: str) -> None:
    """A rule that another one covers could be removed unseen."""
    others = tuple(name for name in RULES if name != rule)
    assert rule not in broken(BREAKS[rule][0], others)
    assert broken(BREAKS[rule][0], others) == COMPANIONS.get(rule, set())


@pytest.mark.parametrize("name", MORE_BREAKS)
def test_further_ways_to_break_a_rule(name: str) -> None:
    rule, history = MORE_BREAKS[name]
    assert broken(history) == {rule}


def test_each_subject_is_reported_once() -> None:
    history = replace(SOUND, passes=(), deliveries=[*BREAKS["O6"][0].deliveries, *BREAKS["O6"][0].deliveries])
    assert len(check(history)) == len({violation[:3] for violation in check(history)})


def test_random_histories_agree_with_the_definitions(pytestconfig: pytest.Config) -> None:
    count: int = pytestconfig.getoption("histories")
    seen: dict[str, int] = dict.fromkeys(RULES, 0)
    clean = 0
    for seed in range(count):
        history = random_history(random.Random(seed))
        expected = reference.violations(history)
        assert {violation[:3] for violation in check(history)} == expected, f"seed {seed}"
        clean += not expected
        for rule in {name for name, _, _ in expected}:
            seen[rule] += 1
    assert min(seen.values()) >= count // 200, seen
    assert clean >= count // 20
