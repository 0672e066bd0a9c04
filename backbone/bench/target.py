"""What a benchmark drives: something that takes records and something that gives them back.

Kafka is one (drivers), the TCP echo stub of the self-tests another (echo); the processes that send,
receive and time know only these protocols, so the self-tests exercise the very code that measures Kafka.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Acknowledged = Callable[[int], None]
    """Told the sequence number of a record that is safe."""

    Failed = Callable[[int, str], None]
    """Told the sequence number of a record that is not, and why."""


class Sink(Protocol):
    """Takes records; every one is later reported to exactly one of the two callbacks, from any thread."""

    def send(self, sequence: int, record: bytes) -> None:
        """Hand over a record without waiting for its fate; may raise if it is refused at once."""

    def flush(self, timeout: float) -> None:
        """Wait until every record's fate is known, at most that many seconds."""

    def close(self) -> None:
        """Let go of connections and threads."""


class Source(Protocol):
    """Gives records back."""

    def poll(self, timeout: float) -> Iterable[bytes]:
        """Return what has come, waiting at most that many seconds for the first; parse lazily, as read."""

    def close(self) -> None:
        """Let go of connections and threads."""


class Target(Protocol):
    """How to reach both ends; a plain value that can be sent to another process."""

    def sink(self, acknowledged: Acknowledged, failed: Failed) -> Sink:
        """Return a connected sink."""

    def source(self) -> Source:
        """Return a connected source that is in place for the first record to come."""
