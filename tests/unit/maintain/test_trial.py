"""Two variants in turns: the order, what is said of their difference, and of a machine that drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from backbone.errors import StackError
from scripts.maintain import trial
from tests.unit.bench.builders import constantly, samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from backbone.bench.samples import Samples


def turns(*latencies: float) -> list[dict[str, Any]]:
    return [{"side": side, "report": {"ms": ms}} for side, ms in zip(trial.ORDER, latencies, strict=True)]


def raw(report: Mapping[str, Any]) -> Sequence[Samples]:
    return [samples(2000, latency=constantly(report["ms"]))]


def test_the_variants_take_turns_each_with_its_settings() -> None:
    seen: list[Mapping[str, str]] = []

    def measure(variant: Mapping[str, str]) -> dict[str, Any]:
        seen.append(variant)
        return {}

    variants = {"A": {}, "B": trial.parse(["KAFKA_HEAP_OPTS=-Xmx512m -Xmn48m"])}
    found = trial.run(variants, 2, measure, lambda _: None)
    assert [turn["side"] for turn in found] == list("ABBAABBA")
    assert seen[1] == {"KAFKA_HEAP_OPTS": "-Xmx512m -Xmn48m"}


@pytest.mark.parametrize(
    ("latencies", "outcome"),
    [
        ((10, 5, 5, 10), "better"),
        ((5, 10, 10, 5), "worse"),
        ((5, 5, 5, 5), "no difference"),
        ((5, 10, 10, 8), "worse; A differ from turn to turn: repeat it"),
    ],
)
def test_the_difference_is_told_and_a_side_that_differs_from_itself(latencies: tuple[float, ...], outcome: str) -> None:
    rows = trial.latency(turns(*latencies), raw)
    assert [row[0] for row in rows] == ["end to end p50 ms", "end to end p95 ms", "end to end p99 ms"]
    assert rows[1][-1] == outcome


def test_stalls_are_shown_by_kind_and_turn() -> None:
    report = {"kinds": [{"kind": "kill", "hit": "leader", "write_stall_ms": {"max": 1500.0}}]}
    found = trial.stalls([{"side": side, "report": report} for side in trial.ORDER])
    assert found == [["kill leader stall ms", "1,500, 1,500", "1,500, 1,500", "", ""]]


@pytest.mark.parametrize("pair", ["KAFKA_HEAP_OPTS", "-Xmx=1", "=1"])
def test_what_is_no_setting_is_refused(pair: str) -> None:
    with pytest.raises(StackError, match="bad-variant"):
        trial.parse([pair])


def test_two_kafkas_kept_are_a_table_of_the_docs(tmp_path: Path) -> None:
    variants = {"A": {"KAFKA_VERSION": "4.3.1"}, "B": {"KAFKA_VERSION": "4.4.0"}}
    asked = ["-a", "KAFKA_VERSION=4.3.1", "-b", "KAFKA_VERSION=4.4.0", "--", "--quick"]
    rows = [["start, new data, s", "4.8, 4.9", "5, 5.1", "", ""]]
    for name in (f"{trial.OF_KAFKA}4.4.0", "trial-young-generation"):
        trial.keep(tmp_path / name, asked, variants, [], rows)
    assert list(trial.kept_tables(tmp_path, trial.OF_KAFKA)) == [
        "",
        f"`nox -s trial -- {' '.join(asked)}` ([kept](../results/kept/trial-kafka-4.4.0)):",
        "",
        "| what | KAFKA_VERSION=4.3.1 | KAFKA_VERSION=4.4.0 | B - A, 95 % | B is |",
        "| --- | --- | --- | --- | --- |",
        "| start, new data, s | 4.8, 4.9 | 5, 5.1 |  |  |",
        "",
    ]
