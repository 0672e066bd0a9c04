from __future__ import annotations

import pytest

from backbone.errors import ExitCode, StackError
from backbone.wait import wait_until
from tests.fakes import FakeClock


def test_returns_what_the_probe_found_as_soon_as_it_is_true() -> None:
    clock = FakeClock()
    found = wait_until(lambda: "ready" if clock.now() >= 3 else None, what="it", timeout=10, interval=0.5, clock=clock)
    assert found == "ready"
    assert clock.now() == 3


def test_asks_once_even_with_no_time_left() -> None:
    clock = FakeClock()
    assert wait_until(lambda: 1, what="it", timeout=0, clock=clock) == 1
    assert clock.now() == 0


def test_says_what_it_waited_for_and_saw_last() -> None:
    clock = FakeClock()
    with pytest.raises(StackError) as caught:
        wait_until(
            lambda: None,
            what="three brokers",
            timeout=2,
            interval=0.5,
            last_seen=lambda: f"2 of 3 at {clock.now():g}",
            hint="./invoke status",
            clock=clock,
        )
    error = caught.value
    assert (error.reference, error.exit_code) == ("timed-out", ExitCode.TIMEOUT)
    assert error.message == "waited 2 s for three brokers"
    assert error.context == "2 of 3 at 2"
    assert error.hint == "./invoke status"


def test_has_no_context_when_nothing_was_seen() -> None:
    with pytest.raises(StackError) as caught:
        wait_until(lambda: None, what="it", timeout=1, clock=FakeClock())
    assert caught.value.context is None


def test_a_probe_that_fails_ends_the_wait_at_once() -> None:
    clock = FakeClock()

    def probe() -> None:
        raise StackError("service-died", "gone")

    with pytest.raises(StackError, match="service-died"):
        wait_until(probe, what="it", timeout=10, clock=clock)
    assert clock.now() == 0
