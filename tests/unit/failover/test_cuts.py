"""A run that ended early accuses nobody, wherever it was cut: its history is unknown, and why comes first."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

from backbone.failover.entries import Ended, Killed, Stopped
from backbone.failover.journal import load
from backbone.failover.verdict import judge
from tests.unit.failover.generator import entries, valid_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from backbone.failover.entries import Event
    from backbone.failover.verdict import Verdict

    Entries = Sequence[tuple[str, int, Event]]

RUNS = 20
LEAST_CUTS = 1_000


def runs() -> Iterator[Entries]:
    """Yield what the processes of some valid runs write."""
    for seed in range(RUNS):
        yield entries(valid_run(random.Random(seed)))


def judged(folder: Path, written: Entries, journals: Sequence[str]) -> Verdict:
    """Write entries to their journals, each of which there is, and judge them."""
    lines: dict[str, list[str]] = defaultdict(list)
    for name, at, event in written:
        lines[name].append(event.line(at) + "\n")
    folder.mkdir(exist_ok=True)
    for name in journals:
        (folder / f"{name}.jsonl").write_text("".join(lines[name]), encoding="utf-8")
    return judge(load(folder))


def names(written: Entries) -> list[str]:
    return sorted({name for name, _, _ in written})


def test_what_is_not_cut_is_valid(tmp_path: Path) -> None:
    for number, whole in enumerate(runs()):
        verdict = judged(tmp_path / str(number), whole, names(whole))
        assert verdict.answer == "valid", (number, verdict)


def test_a_power_failure_at_any_time_is_unknown(tmp_path: Path) -> None:
    cuts = 0
    for number, whole in enumerate(runs()):
        for cut in range(len(whole) - 1):
            verdict = judged(tmp_path / str(number), whole[:cut], names(whole))
            assert verdict.answer == "unknown", (number, cut, verdict.violations)
            cuts += 1
    assert cuts >= LEAST_CUTS


def test_a_run_that_stops_itself_at_any_time_is_unknown_and_says_why_first(tmp_path: Path) -> None:
    cuts = 0
    for number, whole in enumerate(runs()):
        for cut in range(1, len(whole)):
            at = whole[cut - 1][1]
            rest: list[tuple[str, int, Event]] = [("run", at, Stopped("no broker answers; look with ./invoke status"))]
            rest += [("run", at, Killed(name)) for name in names(whole) if name != "run"]
            kept = [one for one in whole[:cut] if one[0] != "run" or not isinstance(one[2], Ended)]
            verdict = judged(tmp_path / str(number), [*kept, *rest, ("run", at, Ended())], names(whole))
            assert verdict.answer == "unknown", (number, cut, verdict.violations)
            assert verdict.doubts[0] == "the run stopped early: no broker answers; look with ./invoke status"
            assert not any("died" in doubt for doubt in verdict.doubts), verdict.doubts
            cuts += 1
    assert cuts >= LEAST_CUTS


def test_one_process_that_dies_or_whose_disk_is_full_at_any_time_is_unknown(tmp_path: Path) -> None:
    cuts = 0
    for number, whole in enumerate(runs()):
        for name in names(whole):
            mine = [position for position, one in enumerate(whole) if one[0] == name]
            for cut in range(len(mine)):
                lost = set(mine[cut:])
                left = [one for position, one in enumerate(whole) if position not in lost]
                verdict = judged(tmp_path / str(number), left, names(whole))
                assert verdict.answer == "unknown", (number, name, cut, verdict.violations)
                assert name in verdict.doubts[0] or name == "run", verdict.doubts
                cuts += 1
    assert cuts >= LEAST_CUTS
