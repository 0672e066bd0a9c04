"""A plan is decided by its seed, meets every kind, and a bad file is explained."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.failover.plan import KINDS, QUICK, STANDARD, Need, Plan, Step, dump, generate, possible, read

if TYPE_CHECKING:
    from pathlib import Path

ALL: tuple[Need, ...] = ("signals", "files", "limits", "network", "packets", "resources")
SIGNALS: tuple[Need, ...] = ("signals",)


def test_the_seed_decides() -> None:
    assert generate(7, 60, ALL) == generate(7, 60, ALL)
    assert generate(7, 60, ALL) != generate(8, 60, ALL)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_comes_before_any_comes_again(seed: int) -> None:
    first = [step.kind for step in generate(seed, len(KINDS), ALL).steps]
    assert sorted(first) == sorted(KINDS)


@pytest.mark.parametrize("seed", range(20))
def test_steps_keep_to_their_kind(seed: int) -> None:
    for step in generate(seed, 200, ALL).steps:
        kind = KINDS[step.kind]
        assert step.role in kind.roles
        assert kind.hold[0] <= step.hold <= kind.hold[1]
        assert step.settle or not kind.quorum_lost


def test_quiet_periods_and_overlap_occur() -> None:
    steps = generate(1, 400, ALL).steps
    long = sum(step.quiet >= 5 for step in steps) / len(steps)
    overlap = sum(not step.settle for step in steps) / len(steps)
    assert 0.15 < long < 0.35
    assert 0.05 < overlap < 0.25


def test_only_what_the_engine_can_do_is_planned() -> None:
    assert {KINDS[step.kind].needs for step in generate(3, 100, SIGNALS).steps} == {"signals"}


def test_steps_that_cannot_be_done_here_are_named() -> None:
    plan, left_out = possible(Plan((Step("kill", "leader", 1, 2), Step("isolate", "leader", 1, 2))), SIGNALS)
    assert [step.kind for step in plan.steps] == ["kill"]
    assert [step.kind for step in left_out] == ["isolate"]


def test_the_standard_plan_has_nine_faults_of_six_kinds_or_more() -> None:
    assert len(STANDARD.steps) == 9
    assert len(Counter(step.kind for step in STANDARD.steps)) >= 6
    for step in (*STANDARD.steps, *QUICK.steps):
        assert step.role in KINDS[step.kind].roles


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(dump(generate(5, 12, ALL))))
    assert read(path) == generate(5, 12, ALL)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"steps": []}', "no steps"),
        ('{"steps": [{"kind": "flood", "role": "leader", "quiet": 1, "hold": 1}]}', "no kind 'flood'"),
        ('{"steps": [{"kind": "kill", "role": "client", "quiet": 1, "hold": 1}]}', "kill takes a role of leader"),
        ('{"steps": [{"kind": "kill", "role": "leader", "quiet": -1, "hold": 1}]}', "not negative"),
    ],
)
def test_a_bad_plan_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(StackError) as caught:
        read(path)
    assert caught.value.exit_code == ExitCode.USAGE
    assert words in (caught.value.context or "")
