"""The floor is measured with real operations; only what must hold on any machine is asserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.bench import machine
from backbone.bench.baseline import measure

if TYPE_CHECKING:
    from pathlib import Path


def test_every_figure_is_a_time_and_nothing_is_left_behind(tmp_path: Path) -> None:
    floor = measure(tmp_path / "results", 128, count=5)
    for figure in (floor.sleep, floor.echo, floor.fsync):
        assert 0 < figure.p50 <= figure.p99
    assert list((tmp_path / "results").iterdir()) == []


def test_shares_of_cpu_time_are_shares() -> None:
    busy = machine.since(machine.mark())
    assert 0 <= busy.used <= 1
    assert 0 <= busy.stolen <= 1


def test_the_machine_names_what_a_figure_depends_on() -> None:
    assert {"processor", "cpus", "memory_bytes", "system", "python", "kafka-python"} <= set(machine.describe())
