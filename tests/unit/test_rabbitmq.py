"""RabbitMQ's smoke test: what it sends comes back, and a broker that loses, alters or keeps messages is found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.stack.rabbitmq import Account, read_account, smoke

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Broker:
    """A broker in memory; `deliver` says what becomes of a message."""

    def __init__(self, *, altered: bool = False, lost: bool = False) -> None:
        self.queues: dict[str, list[bytes]] = {}
        self.altered, self.lost = altered, lost

    def declare(self, queue: str) -> None:
        self.queues[queue] = []

    def publish(self, queue: str, body: bytes) -> None:
        if not self.lost:
            self.queues[queue].append(body[::-1] if self.altered else body)

    def get(self, queue: str) -> bytes | None:
        return self.queues[queue].pop(0) if self.queues[queue] else None

    def delete(self, queue: str) -> None:
        del self.queues[queue]


def test_a_message_comes_back_and_nothing_stays() -> None:
    broker = Broker()
    assert len(smoke(broker, Clock())) == 32
    assert broker.queues == {}


@pytest.mark.parametrize(
    ("broker", "reference"), [(Broker(altered=True), "rabbitmq-differs"), (Broker(lost=True), "timed-out")]
)
def test_a_broker_that_fails_is_found_out_and_cleaned_up(broker: Broker, reference: str) -> None:
    with pytest.raises(StackError) as raised:
        smoke(broker, Clock())
    assert raised.value.reference == reference
    assert broker.queues == {}


def test_the_account_is_read_and_its_password_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "30-user.conf"
    file.write_text("default_user = backbone\ndefault_pass = s3cret\n", encoding="utf-8")
    account = read_account(file)
    assert account == Account("backbone", "s3cret")
    assert "s3cret" not in repr(account)


def test_without_an_account_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError) as raised:
        read_account(tmp_path / "30-user.conf")
    assert raised.value.reference == "no-rabbitmq-account"
    assert "--profile rabbitmq up" in str(raised.value.hint)
