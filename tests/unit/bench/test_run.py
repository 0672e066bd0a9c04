"""What the two processes saw is joined without losing or inventing anything."""

from __future__ import annotations

from array import array
from collections import Counter

from backbone.bench.run import join
from backbone.bench.samples import NEVER
from backbone.bench.worker import Received, Sent


def sent(count: int = 3) -> Sent:
    return Sent(
        intended=array("q", range(100, 100 + count)),
        actual=array("q", range(200, 200 + count)),
        acked=array("q", range(300, 300 + count)),
        errors=Counter(),
    )


def received(*rows: tuple[int, int, int, int]) -> Received:
    got = Received()
    for sequence, intended, actual, at in rows:
        got.sequence.append(sequence)
        got.intended.append(intended)
        got.actual.append(actual)
        got.received.append(at)
    return got


def test_each_receipt_finds_its_record() -> None:
    run = join(sent(), received((2, 102, 202, 402), (0, 100, 200, 400), (1, 101, 201, 401)), 0.0, {})
    assert list(run.samples.received) == [400, 401, 402]
    assert (run.duplicates, run.mismatched) == (0, 0)


def test_a_record_not_received_stays_never() -> None:
    run = join(sent(), received((0, 100, 200, 400)), 0.0, {})
    assert list(run.samples.received) == [400, NEVER, NEVER]
    assert run.samples.lost == 2


def test_the_first_receipt_counts_and_the_second_is_a_duplicate() -> None:
    run = join(sent(1), received((0, 100, 200, 400), (0, 100, 200, 500)), 0.0, {})
    assert list(run.samples.received) == [400]
    assert run.duplicates == 1


def test_times_that_differ_from_the_senders_are_a_mismatch() -> None:
    run = join(sent(2), received((0, 100, 999, 400), (7, 0, 0, 0)), 0.0, {})
    assert run.mismatched == 2
    assert list(run.samples.received) == [NEVER, NEVER]
