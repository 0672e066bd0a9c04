"""Spans are taken from the right times, nothing is dropped, and raw files survive a round trip."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from backbone.bench.samples import SPANS, joined, load, save
from backbone.errors import StackError
from tests.unit.bench.builders import MS, constantly, samples, without

if TYPE_CHECKING:
    from pathlib import Path


def test_each_span_runs_between_its_own_two_times() -> None:
    made = samples(3, latency=constantly(8.0), delay_ms=2.0)
    spans = {name: made.span(name)[0] / MS for name in SPANS}
    assert spans == {"delay": 2.0, "end_to_end": 8.0, "service": 6.0, "produce": 3.0}


def test_a_lost_record_takes_for_ever_and_stays_in_the_count() -> None:
    made = without(samples(10), "received", 4)
    assert made.span("end_to_end")[4] == math.inf
    assert len(made.span("end_to_end")) == 10
    assert (made.lost, made.failed) == (1, 0)


def test_a_record_never_acknowledged_has_failed_but_is_not_lost() -> None:
    made = without(without(samples(10), "received", 4), "acked", 4)
    assert (made.lost, made.failed) == (0, 1)
    assert made.span("produce")[4] == math.inf


def test_receipt_before_sending_is_counted() -> None:
    assert samples(5, latency=lambda index: -1.0 if index == 2 else 5.0).negative == 1


def test_settling_time_is_cut_off_by_intended_time() -> None:
    assert len(samples(1000, gap_ms=10).after(3.0)) == 700


def test_blocks_keep_every_record_and_a_short_rest_joins_the_last() -> None:
    blocks = samples(1100, gap_ms=10).blocks("end_to_end", 5.0)
    assert [len(block) for block in blocks] == [500, 600]


def test_joining_keeps_order_and_count() -> None:
    a, b = samples(3), samples(4, latency=constantly(9.0))
    assert joined([a, b]).span("end_to_end") == a.span("end_to_end") + b.span("end_to_end")


def test_the_sent_rate_is_that_of_the_actual_times() -> None:
    assert samples(1001, gap_ms=2).sent_rate() == pytest.approx(500)
    assert samples(1).sent_rate() == 0.0


def test_raw_files_hold_everything(tmp_path: Path) -> None:
    made = without(samples(100), "acked", 3)
    save(made, tmp_path / "a.samples")
    assert load(tmp_path / "a.samples") == made


@pytest.mark.parametrize("content", [b"", b"nonsense", b"BENCHRAW1\n5 x\n1234", b"BENCHRAW1\n"])
def test_a_file_that_is_no_sample_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.samples").write_bytes(content)
    with pytest.raises(StackError, match="bad-samples"):
        load(tmp_path / "a.samples")
