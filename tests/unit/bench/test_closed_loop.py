"""One record in flight: each waits for the one before it, and one that does not come back ends the loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from backbone.bench import echo
from backbone.bench.closed_loop import Loop, execute, round_trips

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backbone.bench.target import Acknowledged, Failed


@dataclass
class Mirror:
    """Gives each record back at its poll, until it has lost or refused one."""

    loses: int = -1
    refuses: int = -1
    flying: list[bytes] = field(default_factory=list)
    most: int = 0
    failed: Failed = lambda _sequence, _why: None

    def sink(self, acknowledged: Acknowledged, failed: Failed) -> Mirror:
        assert callable(acknowledged)
        self.failed = failed
        return self

    def source(self) -> Mirror:
        return self

    def send(self, sequence: int, record: bytes) -> None:
        if sequence == self.refuses:
            self.failed(sequence, "RecordTooLarge")
        if sequence != self.loses:
            self.flying.append(record)
        self.most = max(self.most, len(self.flying))

    def flush(self, timeout: float) -> None:
        assert timeout > 0

    def poll(self, timeout: float) -> Iterable[bytes]:
        assert timeout > 0
        while self.flying:
            yield self.flying.pop()

    def close(self) -> None:
        assert not self.flying


def test_only_one_record_is_on_its_way() -> None:
    mirror = Mirror()
    assert len(round_trips(Loop(mirror, count=10, size=64, skipped=5))) == 15
    assert mirror.most == 1


@pytest.mark.parametrize(
    ("mirror", "words"),
    [(Mirror(loses=3), "record 3 did not come back: no answer"), (Mirror(refuses=2), "record 2 .*RecordTooLarge")],
)
def test_one_that_does_not_come_back_is_named(mirror: Mirror, words: str) -> None:
    with pytest.raises(ConnectionError, match=words):
        round_trips(Loop(mirror, count=10, size=64))


def test_the_first_round_trips_do_not_count() -> None:
    with echo.serving() as stub:
        times = execute(Loop(echo.EchoTarget(stub.port), count=20, size=64, skipped=5))
    assert len(times) == 20
    assert min(times) > 0
