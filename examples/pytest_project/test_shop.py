"""The service on a real three-node cluster; each test has topics and groups of its own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backbone.leases import Lease
    from backbone.testing import Running


class Names(NamedTuple):
    """What the service works on."""

    orders: str
    confirmations: str
    group: str


@pytest.fixture
def service(backbone: Running, lease: Lease) -> Iterator[Names]:
    """Let the service run beside a test."""
    names = Names(lease.topic("orders", partitions=3), lease.topic("confirmations"), lease.group("shop"))
    stop = Event()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(shop.serve, backbone.bootstrap, *names, stop)
        yield names
        stop.set()
        running.result()


def order(number: int) -> str:
    return json.dumps({"id": number})


def confirmed(records: Sequence[Any]) -> set[int]:
    return {json.loads(record.value)["confirmed"] for record in records}


def test_an_order_is_confirmed(lease: Lease, service: Names) -> None:
    lease.produce(service.orders, order(7), key="customer-1")
    (record,) = lease.consume(service.confirmations)
    assert (record.key, confirmed([record])) == (b"customer-1", {7})


def test_the_service_keeps_up(lease: Lease, service: Names) -> None:
    lease.produce(service.orders, *map(order, range(100)))
    lease.await_lag(service.group, 0)
    assert confirmed(lease.consume(service.confirmations, until=100)) == set(range(100))


def test_no_order_is_lost_with_a_broker(backbone: Running, lease: Lease, service: Names) -> None:
    lease.produce(service.orders, order(1))
    backbone.kill("kafka-2")
    lease.produce(service.orders, order(2))
    backbone.heal()
    lease.produce(service.orders, order(3))
    lease.consume(service.confirmations, until=lambda records: confirmed(records) == {1, 2, 3}, timeout=60)


def test_an_order_waits_for_a_broker_that_hangs(backbone: Running, lease: Lease, service: Names) -> None:
    backbone.pause("kafka-3")
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(lease.produce, service.orders, *map(order, range(10)))
        backbone.heal()
        sent.result()
    lease.consume(service.confirmations, until=lambda records: confirmed(records) == set(range(10)), timeout=60)


def test_tests_do_not_see_each_other(backbone: Running, lease: Lease) -> None:
    with backbone.lease() as other:
        assert lease.topic("orders") != other.topic("orders")


def test_a_day_can_be_played_again(lease: Lease, reset: Callable[[], None]) -> None:
    lease.produce(lease.topic("orders"), order(1))
    reset()
    orders = lease.topic("orders")  # the first one has gone with all that came after the beginning
    lease.produce(orders, order(2))
    assert [json.loads(record.value)["id"] for record in lease.consume(orders)] == [2]
