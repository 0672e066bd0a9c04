"""Warm-up ends when it is over and not before; repeats come in a fresh order each round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.bench.session import Cell, repeated, warm_up
from backbone.bench.worker import Load
from tests.unit.bench.builders import measurement, samples

if TYPE_CHECKING:
    from backbone.bench.samples import Samples
    from backbone.bench.session import Measurement

CELL = Cell(Load(100, 1024, 60))


class Cooling:
    """A cluster whose latency falls as it compiles: a p95 (ms) for each 5 s window, the last one for ever."""

    def __init__(self, *windows: float) -> None:
        self._windows = list(windows)
        self._done = 0
        self.seconds: list[float] = []

    def __call__(self, cell: Cell) -> Samples:
        first, seconds = self._done, cell.load.seconds
        self._done += int(seconds / 5)
        self.seconds.append(seconds)
        return samples(int(seconds * 100), gap_ms=10, latency=lambda index: self._p95(first + index // 500))

    def _p95(self, window: int) -> float:
        return self._windows[min(window, len(self._windows) - 1)]


def silent(_: str) -> None:
    """Say nothing."""


def test_a_cold_cluster_is_warmed_until_it_is_steady() -> None:
    cluster = Cooling(80, 40, 30, 20, 15, 12, 11, 10.5, 10.2)
    done = warm_up(cluster, CELL, least=30, most=120, say=silent)
    assert done.steady
    assert cluster.seconds == [30, 15]
    assert list(done.windows) == [80, 40, 30, 20, 15, 12, 11, 10.5, 10.2]


def test_a_warm_cluster_is_still_loaded_for_the_least_time() -> None:
    cluster = Cooling(10)
    assert warm_up(cluster, CELL, least=30, most=120, say=silent).steady
    assert cluster.seconds == [30]


def test_a_cluster_that_never_settles_is_said_to_be_so() -> None:
    cluster = Cooling(*(1000.0 * 0.8**window for window in range(100)))
    done = warm_up(cluster, CELL, least=30, most=60, say=silent)
    assert not done.steady
    assert sum(cluster.seconds) == 60


def test_every_round_measures_every_cell_in_an_order_from_the_seed() -> None:
    cells = [Cell(Load(rate, 1024, 60)) for rate in (100.0, 200.0, 300.0, 400.0)]

    def order(seed: int) -> list[tuple[int, float]]:
        def once(cell: Cell, repeat: int, _seed: int) -> Measurement:
            return measurement(samples(100), repeat, cell=cell)

        return [(each.repeat, each.cell.load.rate) for each in repeated(once, cells, 3, seed=seed, say=silent)]

    found = order(1)
    assert sorted(found) == [(repeat, cell.load.rate) for repeat in (1, 2, 3) for cell in cells]
    assert found == order(1)
    assert len({tuple(rate for repeat, rate in found if repeat == number) for number in (1, 2, 3)}) > 1


def test_each_repeat_has_arrivals_of_its_own() -> None:
    seeds: list[int] = []

    def once(cell: Cell, repeat: int, seed: int) -> Measurement:
        seeds.append(seed)
        return measurement(samples(100), repeat, cell=cell)

    repeated(once, [CELL], 4, seed=1, say=silent)
    assert len(set(seeds)) == 4
