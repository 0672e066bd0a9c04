"""A burst is timed by what its two ends saw, and set beside Kafka's own tools as a ratio."""

from __future__ import annotations

from array import array

import pytest

from backbone.bench import echo, throughput
from backbone.bench.run import one_after_the_other
from backbone.bench.samples import NEVER
from backbone.bench.throughput import KAFKAS_TOOLS, Burst
from backbone.bench.worker import Job, Load, Received, Sent
from backbone.errors import StackError

SECOND = 1_000_000_000


def ends(acked: list[int], received: list[int]) -> tuple[Sent, Received]:
    """Return both ends of records sent at 0: when each was acknowledged, and when received (NEVER: not)."""
    numbers = [number for number, at in enumerate(received) if at != NEVER]
    times = array("q", [at for at in received if at != NEVER])
    zeros = array("q", [0] * len(acked))
    seen = array("q", [0] * len(numbers))
    return Sent(zeros, zeros, array("q", acked)), Received(array("q", numbers), seen, seen, times)


def test_a_burst_is_timed_from_its_first_send_and_from_its_first_batch() -> None:
    acked = [SECOND] * 1000 + [2 * SECOND] * 1000
    received = [5 * SECOND] * 500 + [6 * SECOND] * 500 + [8 * SECOND] * 1000
    assert throughput.rates("java", *ends(acked, received), 1000) == Burst("java", 2000, 1000, 1.0, 0.5)


@pytest.mark.parametrize(
    ("acked", "received"), [([1, NEVER], [1, 2]), ([1, 2], [1, NEVER])], ids=["not acknowledged", "not received"]
)
def test_a_burst_that_lost_a_record_has_no_rate(acked: list[int], received: list[int]) -> None:
    with pytest.raises(StackError, match="records-missing"):
        throughput.rates("java", *ends(acked, received), 1000)


def test_a_burst_goes_out_at_once_and_its_end_is_told() -> None:
    load = Load(rate=500, size=100, seconds=1.0, arrivals="burst")
    assert set(load.offsets()) == {0}
    with echo.serving() as stub, pytest.raises(StackError, match="consumer"):
        # The stub forwards to whoever is there and keeps nothing: what is read later never comes.
        one_after_the_other(Job(Forgetful(stub.port), load, run=2, grace=0.2))


class Forgetful(echo.EchoTarget):
    """A stub whose source breaks when it is asked."""

    __slots__ = ()

    def source(self) -> echo.EchoSource:
        raise ConnectionError("nothing was kept")


def test_each_client_has_its_median_and_its_ratio_to_kafkas_own_tools() -> None:
    bursts = [Burst("java", 10, 100, produced, 40.0) for produced in (10.0, 30.0, 20.0)]
    table, every = throughput.tables([*bursts, Burst(KAFKAS_TOOLS, 10, 100, 40.0, 50.0)])
    assert table["columns"] == ["client", "MB/s acknowledged", "of Kafka's tools", "MB/s read", "of Kafka's tools"]
    assert table["rows"] == [["java", "20", "0.50", "40", "0.80"], [KAFKAS_TOOLS, "40", "1.00", "50", "1.00"]]
    assert len(every["rows"]) == 4


def test_without_the_tools_there_is_no_ratio() -> None:
    table, _ = throughput.tables([Burst("java", 10, 100, 10.0, 40.0)])
    assert table == {
        "title": "Throughput, median of the bursts",
        "columns": ["client", "MB/s acknowledged", "MB/s read"],
        "rows": [["java", "10", "40"]],
    }
