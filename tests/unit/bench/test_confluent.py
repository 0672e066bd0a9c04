"""confluent-kafka against the broker that librdkafka brings along for tests: real requests, no JVM."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest

from backbone.bench.drivers.confluent import ConfluentTarget
from backbone.bench.run import execute
from backbone.bench.worker import Job, Load

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = [b"%d" % number for number in range(50)]


@contextmanager
def cluster(**settings: int) -> Iterator[tuple[str, ...]]:
    """Yield the address of a cluster in this process, that makes each topic it is asked for."""
    changes: dict[str, Any] = {name.replace("_", "."): value for name, value in settings.items()}
    owner = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", **changes})
    yield tuple(f"{each.host}:{each.port}" for each in owner.list_topics(timeout=5).brokers.values())
    owner.flush(1)


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[str, ...]]:
    with cluster() as made:
        yield made


def target(broker: tuple[str, ...], topic: str, *, group: str = "", turns: bool = False) -> ConfluentTarget:
    return ConfluentTarget(broker, topic, 4, spread="turns" if turns else "client", group=group)


@pytest.mark.parametrize("turns", [False, True], ids=["client", "turns"])
def test_each_record_is_acknowledged_once_and_comes_back(broker: tuple[str, ...], *, turns: bool) -> None:
    wanted = target(broker, f"t-{turns}", turns=turns)
    acknowledged: list[int] = []
    sink = wanted.sink(acknowledged.append, lambda _, why: pytest.fail(why))
    for sequence, record in enumerate(RECORDS):
        sink.send(sequence, record)
    sink.flush(10)
    sink.close()
    assert sorted(acknowledged) == list(range(len(RECORDS)))
    source = wanted.source()
    found: list[bytes] = []
    while len(found) < len(RECORDS):
        found += source.poll(5)
    source.close()
    assert sorted(found) == sorted(RECORDS)


def test_a_record_that_cannot_be_sent_is_refused_at_once(broker: tuple[str, ...]) -> None:
    sink = ConfluentTarget(broker, "narrow", 9, spread="turns").sink(print, print)
    with pytest.raises(confluent_kafka.KafkaException, match="UNKNOWN_PARTITION"):
        sink.send(8, b"to a partition that is not there")
    sink.close()


def test_a_record_that_is_not_acknowledged_in_time_is_told_with_its_reason() -> None:
    with cluster(test_mock_broker_rtt=300) as broker:
        failed: list[tuple[int, str]] = []
        settings = {"delivery_timeout_ms": 50, "linger_ms": 1}
        sink = ConfluentTarget(broker, "late", 1, producer=settings).sink(print, lambda *why: failed.append(why))
        sink.send(8, b"too late")
        sink.flush(10)
        sink.close()
        assert failed == [(8, "_MSG_TIMED_OUT")]


def test_a_run_is_complete(broker: tuple[str, ...]) -> None:
    made = execute(Job(target(broker, "run"), Load(200, 1024, 0.5), run=3, grace=5.0))
    assert (made.samples.failed, made.samples.lost, made.damaged, made.mismatched) == (0, 0, 0, 0)
    assert len(made.samples) == 100
