"""Sending: what was not acknowledged is never taken for sent."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError

from backbone.errors import StackError
from backbone.events.archive import traffic
from backbone.events.records import Record


@dataclass
class Future:
    """What a send promises; its acknowledgement comes while somebody waits for it, if at all."""

    exception: Exception | None = None
    open: bool = False
    is_done: bool = False

    def succeeded(self) -> bool:
        return self.is_done and self.exception is None

    def get(self, timeout: float) -> None:
        assert timeout > 0
        self.is_done = not self.open
        if self.exception or self.open:
            raise self.exception or KafkaTimeoutError


@dataclass
class Client:
    """A producer whose n-th record meets its fate."""

    fates: list[Future]
    sent: int = 0
    most: int = 0
    """The most that were open at once."""

    def send(self, topic: str, *, key: bytes, value: bytes) -> Future:
        assert (topic, key) == ("t", b"k")
        self.sent += 1
        self.most = max(self.most, self.sent - sum(each.is_done for each in self.fates[: self.sent]))
        return self.fates[int(value)]

    def flush(self, timeout: float) -> None:
        for each in self.fates[: self.sent]:
            with suppress(KafkaError):
                each.get(timeout)


def records(count: int) -> list[Record]:
    return [Record(b"k", str(number).encode()) for number in range(count)]


def test_all_acknowledged_is_their_number() -> None:
    assert traffic.send(Client([Future(), Future()]), "t", records(2)) == 2


@pytest.mark.parametrize("fate", [Future(KafkaTimeoutError("gone")), Future(open=True)])
def test_a_failed_or_open_send_is_an_error(fate: Future) -> None:
    with pytest.raises(StackError, match="1 of 3 events for t were not acknowledged"):
        traffic.send(Client([Future(), fate, Future()]), "t", records(3))


def test_however_many_records_they_do_not_pile_up_unsettled() -> None:
    client = Client([Future() for _ in range(100)])
    assert traffic.send(client, "t", records(100), unsettled=10) == 100
    assert client.most == 11


def test_after_a_failed_send_no_more_is_sent() -> None:
    client = Client([Future(KafkaTimeoutError("gone")), *(Future() for _ in range(100))])
    with pytest.raises(StackError, match="1 of 11 events for t were not acknowledged"):
        traffic.send(client, "t", records(100), unsettled=10)
    assert client.sent == 11
