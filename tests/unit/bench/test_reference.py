"""What Kafka's own tools print is read right, and what they don't print is an error, not a zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.bench.peer import Peer, Rate, Round, document, tables
from backbone.bench.reference import EndToEnd, Java, Produced, parse_consumed, parse_end_to_end, parse_produced
from backbone.errors import StackError

if TYPE_CHECKING:
    from pathlib import Path

END_TO_END = """0\t145.2
1000\t2.9
Avg latency: 2.0968 ms

Percentiles: 50th = 2, 99th = 5, 99.9th = 12
"""

PRODUCED = (
    "5001 records sent, 1000.2 records/sec (0.98 MB/sec), 4.5 ms avg latency, 301.0 ms max latency.\n"
    "10000 records sent, 998.8 records/sec (0.98 MB/sec), 2.31 ms avg latency, 301.00 ms max latency, "
    "2 ms 50th, 3 ms 95th, 12 ms 99th, 58 ms 99.9th.\n"
)

CONSUMED = """start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
2026-11-26 21:37:01:101, 2026-11-26 21:37:05:300, 38.1470, 9.0848, 39062, 9302.6911, 3289, 910, 41.9, 42925.2747
"""


def test_end_to_end_figures() -> None:
    assert parse_end_to_end(END_TO_END) == EndToEnd(mean=2.0968, p50=2, p99=5, p999=12)


def test_the_rate_of_reading_leaves_the_joining_out() -> None:
    assert parse_consumed(CONSUMED) == 41.9


def test_producer_figures_come_from_the_summary() -> None:
    assert parse_produced(PRODUCED) == Produced(998.8, 0.98, 2.31, 301.0, 2, 3, 12, 58)


@pytest.mark.parametrize("parse", [parse_end_to_end, parse_produced, parse_consumed])
def test_output_without_figures_is_an_error(parse: object) -> None:
    with pytest.raises(StackError, match="java-tool"):
        parse("Exception in thread main")  # type: ignore[operator]


def test_a_launcher_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="EndToEndLatency failed"):
        Java(tmp_path / "java", [tmp_path / "a.jar"]).run("EndToEndLatency")


def peer(p50_ms: float, p99_ms: float) -> Peer:
    times = [int(p50_ms * 1e6)] * 98 + [int(p99_ms * 1e6)] * 2
    java = EndToEnd(2.1, 2, 5, 12)
    return Peer([Round(times, java)] * 2, [Rate(1000, times, Produced(998, 1, 2.3, 301, 2, 3, 12, 58))])


def test_ours_within_its_bounds_of_java_whose_times_are_cut_to_whole_ms() -> None:
    loop = document(peer(4.9, 13.9))["closed_loop"]
    assert (loop["p50_within"], loop["p99_within"]) == (True, True)


def test_ours_out_of_its_bounds_of_java() -> None:
    loop = document(peer(5.1, 14.1))["closed_loop"]
    assert (loop["p50_within"], loop["p99_within"]) == (False, False)


def test_tables_have_a_cell_for_each_column() -> None:
    for table in tables(document(peer(3.0, 5.0))):
        assert {len(row) for row in table["rows"]} == {len(table["columns"])}
