"""Better, worse or no difference: by the bounds, never by the bare figures."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from backbone.bench.compare import compare, strangers
from backbone.bench.results import Saved
from backbone.errors import StackError
from tests.unit.bench.builders import samples

if TYPE_CHECKING:
    from backbone.bench.samples import Samples


def noisy(ms: float, seed: int) -> Samples:
    source = random.Random(seed)
    return samples(10_000, latency=lambda _: ms + source.expovariate(1.0))


def saved(*repeats: Samples, label: str = "cell", valid: bool = True, **machine: float) -> Saved:
    report = {"verdict": {"valid": valid}, "machine": machine, "settings": {}, "engine": "embedded"}
    return Saved(report, {label: repeats})


def outcomes(a: Saved, b: Saved) -> set[str]:
    return {difference.outcome for difference in compare(a, b)}


def test_the_same_system_twice_is_no_difference() -> None:
    a = saved(*(noisy(5.0, seed) for seed in range(5)))
    b = saved(*(noisy(5.0, seed) for seed in range(5, 10)))
    assert outcomes(a, b) == {"no difference"}


def test_a_slower_system_is_worse_and_the_other_way_round_better() -> None:
    fast = saved(*(noisy(5.0, seed) for seed in range(3)))
    slow = saved(*(noisy(8.0, seed) for seed in range(3)))
    assert outcomes(fast, slow) == {"worse"}
    assert outcomes(slow, fast) == {"better"}


def test_one_bad_repeat_of_five_is_no_proof() -> None:
    a = saved(*(noisy(5.0, seed) for seed in range(5)))
    b = saved(*(noisy(5.0, seed) for seed in range(4)), noisy(9.0, 4))
    found = {difference.quantile: difference.outcome for difference in compare(a, b)}
    assert found["p50"] == "no difference"
    assert found["p99"] == "no difference"


def test_void_sessions_are_not_compared() -> None:
    good = saved(noisy(5.0, 1))
    with pytest.raises(StackError, match="session B is void"):
        compare(good, saved(noisy(5.0, 1), valid=False))


def test_sessions_without_a_common_cell_are_not_compared() -> None:
    with pytest.raises(StackError, match="nothing-in-common"):
        compare(saved(noisy(5.0, 1), label="a"), saved(noisy(5.0, 1), label="b"))


def test_another_machine_is_named() -> None:
    a, b = saved(noisy(5.0, 1), cpus=2, load_before=1.0), saved(noisy(5.0, 1), cpus=8, load_before=3.0)
    assert strangers(a, b) == ["machine cpus: 2 → 8"]
