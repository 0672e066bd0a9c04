"""Waiting for something to become true, with the clock handed in so that tests take no time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Clock(Protocol):
    """A monotonic clock that can also wait; both in seconds."""

    def now(self) -> float:
        """Return seconds since some fixed point; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""


class MonotonicClock:
    """The machine's own monotonic clock."""

    def now(self) -> float:
        """Return time.monotonic()."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)


CLOCK: Clock = MonotonicClock()


def asleep() -> float:
    """Return how many seconds this machine has slept since it was started: the monotonic clock stood still then."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) - time.monotonic()


def wait_until(
    probe: Callable[[], T | None],
    *,
    what: str,
    timeout: float,
    interval: float = 0.1,
    last_seen: Callable[[], str] = str,
    hint: str | None = None,
    clock: Clock = CLOCK,
) -> T:
    """Ask `probe` every `interval` seconds until it returns something true, and return that.

    Raises StackError("timed-out") after `timeout` seconds, with what `last_seen()` says then. An exception of
    the probe ends the wait at once: a probe turns what may pass into None.
    """
    deadline = clock.now() + timeout
    while True:
        if seen := probe():
            return seen
        if clock.now() >= deadline:
            raise StackError(
                "timed-out",
                f"waited {timeout:g} s for {what}",
                context=last_seen() or None,
                hint=hint,
                exit_code=ExitCode.TIMEOUT,
            )
        clock.sleep(interval)
