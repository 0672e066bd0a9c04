"""Stalls and timelines of histories whose answers can be worked out on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backbone.failover.history import (
    BrokersView,
    ControllerView,
    Delivery,
    Fault,
    History,
    PartitionView,
    Record,
    Send,
    Terms,
)
from backbone.failover.stalls import longest_gap, windows
from backbone.failover.timeline import timeline

MS = 1_000_000


@pytest.mark.parametrize(
    ("times", "begin", "end", "gap"),
    [
        ((0, 10, 20, 30), 5, 35, 10),
        ((0, 10, 90, 100), 15, 105, 80),  # the stall began before the window was looked at: from 10
        ((0, 10), 5, 100, 90),  # nothing came back
        ((), 5, 100, 95),
        ((200, 300), 5, 100, 95),
    ],
)
def test_the_longest_gap(times: tuple[int, ...], begin: int, end: int, gap: int) -> None:
    assert longest_gap(times, begin, end) == gap


def outage(*, silent_from: int = 100, silent_to: int = 600) -> History:
    """One partition, a send every 10 ms for 1 s; all that are sent in the silence are acknowledged at its end."""
    sends, deliveries = [], []
    for n in range(100):
        at = n * 10
        answered = silent_to if silent_from <= at < silent_to else at + 1
        record = Record("p", 0, n + 1)
        sends.append(Send(record, at * MS, at * MS, answered * MS, "ok", n))
        deliveries.append(Delivery((answered + 2) * MS, "c", 0, n, record))
    return History(
        terms=Terms(partitions=1),
        sends=sends,
        deliveries=deliveries,
        faults=[Fault(1, "kill", "leader", (1,), begun=100 * MS, proved=True, healed=700 * MS)],
        partitions=[
            PartitionView(50 * MS, "2#1", 0, 1, 4, (1, 2, 3)),
            PartitionView(550 * MS, "2#1", 0, 2, 5, (2, 3)),
            PartitionView(900 * MS, "2#1", 0, 2, 5, (1, 2, 3)),
        ],
        brokers=[
            BrokersView(50 * MS, "2#1", (1, 2, 3)),
            BrokersView(400 * MS, "1#1", (2, 3)),
            BrokersView(500 * MS, "2#1", (2, 3)),
            BrokersView(800 * MS, "2#1", (1, 2, 3)),
        ],
        controllers=[ControllerView(50 * MS, "2#1", 1, 7), ControllerView(450 * MS, "2#1", 3, 8)],
    )


def test_a_write_stall_is_what_the_silence_added() -> None:
    (window,) = windows(outage())
    (stall,) = window.stalls
    assert stall.role == "leader"
    assert stall.write == pytest.approx(509 - 10, abs=1)  # from the ack at 91 to the one at 600, less one period
    assert stall.worst == pytest.approx(502)
    assert stall.late == 41  # those due at 100 … 500 waited for more than 100 ms
    assert window.counts == {"sent": 90, "ok": 90, "fail": 0, "info": 0, "delivered": 90}


def test_without_an_outage_there_is_no_stall() -> None:
    (window,) = windows(outage(silent_from=0, silent_to=0))
    assert window.write_stall < 1
    assert window.stalls[0].late == 0


def test_the_timeline_of_an_outage() -> None:
    history = outage()
    (window,) = windows(history)
    found = timeline(history, window)
    assert found.fenced == 400  # in the eyes of broker 2, not of the victim
    assert found.controller == 350
    assert found.leader == 450
    assert found.first_ack == 500
    assert found.first_delivery == 502
    assert found.healed == 600
    assert found.unfenced == 700
    assert found.isr_full == 800  # from the ISR of two at 550


def test_what_did_not_happen_has_no_time() -> None:
    history = outage()
    lonely = History(terms=history.terms, sends=history.sends, faults=history.faults)
    (window,) = windows(lonely)
    found = timeline(lonely, window)
    assert (found.fenced, found.controller, found.leader, found.unfenced, found.isr_full) == (None,) * 5


def test_a_broker_that_was_not_missed_yet_is_not_back() -> None:
    """Restarted at once: its old metadata still counts it in, and the ISR shrinks only when the session expires."""
    history = replace(outage(), faults=[replace(outage().faults[0], healed=120 * MS)])
    (window,) = windows(history)
    found = timeline(history, window)
    assert (found.healed, found.unfenced, found.isr_full) == (20, 700, 800)
