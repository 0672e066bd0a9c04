"""Sending: what was not acknowledged is never taken for sent."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from backbone.errors import StackError
from backbone.events.archive import traffic
from backbone.events.records import Record


@dataclass
class Future:
    """What a send promises."""

    exception: Exception | None = None
    open: bool = False

    def succeeded(self) -> bool:
        return self.exception is None and not self.open


@dataclass
class Client:
    """A producer whose n-th record meets its fate."""

    fates: list[Future]
    flushed: bool = False

    def send(self, topic: str, *, key: bytes, value: bytes) -> Future:
        assert (topic, key) == ("t", b"k")
        return self.fates[int(value)]

    def flush(self, timeout: float) -> None:
        self.flushed = timeout > 0


def records(count: int) -> list[Record]:
    return [Record(b"k", str(number).encode()) for number in range(count)]


def test_all_acknowledged_is_their_number() -> None:
    client = Client([Future(), Future()])
    assert traffic.send(client, "t", records(2)) == 2
    assert client.flushed


@pytest.mark.parametrize("fate", [Future(TimeoutError("gone")), Future(open=True)])
def test_a_failed_or_open_send_is_an_error(fate: Future) -> None:
    with pytest.raises(StackError, match="1 of 3 events for t were not acknowledged"):
        traffic.send(Client([Future(), fate, Future()]), "t", records(3))
