"""The last look: a fence in every partition, and everything before it read back and written down."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.failover import payload, readback
from backbone.failover.entries import Promised
from backbone.failover.history import Entry, Record
from backbone.failover.journal import Journal, load
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kafka.structs import TopicPartition

RUN = bytes(range(16))
A, B = Record("p.0", 0, 1), Record("p.0", 1, 1)


class Message(NamedTuple):
    """What poll() of kafka-python returns, as far as it is looked at."""

    partition: int
    offset: int
    value: bytes


class Acknowledged(NamedTuple):
    """A send that was answered at once."""

    offset: int

    def get(self, timeout: float) -> Acknowledged:
        assert timeout > 0
        return self


@dataclass
class FakeTopic:
    """A topic as producer and consumer see it. stuck: a poll gives nothing, whatever there is."""

    logs: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    at: dict[TopicPartition, int] = field(default_factory=dict)
    stuck: bool = False
    closed: int = 0

    def send(self, _: str, value: bytes, *, partition: int) -> Acknowledged:
        self.logs[partition].append(value)
        return Acknowledged(len(self.logs[partition]) - 1)

    def partitions_for_topic(self, _: str) -> set[int]:
        return set(self.logs)

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self.at = dict.fromkeys(partitions, -1)

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.at.update(dict.fromkeys(partitions, 0))

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: len(self.logs[one.partition]) for one in partitions}

    def position(self, partition: TopicPartition) -> int:
        return self.at[partition]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Message]]:
        """Return one record of each partition that has another."""
        assert timeout_ms > 0
        found = {
            one: [Message(one.partition, at, self.logs[one.partition][at])]
            for one, at in self.at.items()
            if not self.stuck and at < len(self.logs[one.partition])
        }
        self.at.update({one: self.at[one] + 1 for one in found})
        return found

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> FakeTopic:
    made = FakeTopic()

    def client(*_: Any, **__: Any) -> FakeTopic:
        return made

    monkeypatch.setattr(clients, "producer", client)
    monkeypatch.setattr(clients, "consumer", client)
    return made


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "run.jsonl")
    made.write(Promised({"partitions": 2}))
    return made


def value(record: Record, run: bytes = RUN) -> bytes:
    return payload.encode(payload.Payload(run, record, 7), 0)


def test_each_partition_gets_an_acknowledged_fence(topic: FakeTopic, journal: Journal, tmp_path: Path) -> None:
    readback.write_fences([], "t", 2, RUN, journal)
    journal.close()
    history = load(tmp_path)
    assert history.fences == {0: Record("fence", 0, 1), 1: Record("fence", 1, 1)}
    assert [(send.record, send.outcome, send.offset) for send in history.sends] == [
        (Record("fence", 0, 1), "ok", 0),
        (Record("fence", 1, 1), "ok", 0),
    ]
    assert topic.closed == 1


def test_all_records_of_all_partitions_are_read_in_their_order(
    topic: FakeTopic, journal: Journal, tmp_path: Path
) -> None:
    second = Record("p.0", 0, 2)
    topic.logs |= {0: [value(A), value(second)], 1: [value(B)]}
    assert readback.read_back([], "t", "leaders-1", RUN, journal, 10) == 3
    journal.close()
    (read,) = load(tmp_path).passes
    assert read.name == "leaders-1"
    assert {k: list(log) for k, log in read.logs.items()} == {0: [Entry(0, A), Entry(1, second)], 1: [Entry(0, B)]}


@pytest.mark.parametrize("alien", [b"x", value(A, bytes(16)), value(B)], ids=["no payload", "another run", "misplaced"])
def test_a_record_that_is_not_ours_is_written_down_as_damaged(
    topic: FakeTopic, journal: Journal, tmp_path: Path, alien: bytes
) -> None:
    topic.logs[0] = [alien]
    readback.read_back([], "t", "cold", RUN, journal, 10)
    journal.close()
    assert list(load(tmp_path).passes[0].logs[0]) == [Entry(0, None)]


def test_a_pass_that_does_not_reach_the_end_says_how_far_it_came(topic: FakeTopic, journal: Journal) -> None:
    topic.logs[0] = [value(A)]
    topic.stuck = True
    with pytest.raises(StackError, match="pass cold did not reach the end of t") as caught:
        readback.read_back([], "t", "cold", RUN, journal, 0)
    assert (caught.value.reference, caught.value.exit_code) == ("read-back-timeout", ExitCode.TIMEOUT)
    assert caught.value.context == "{0: (0, 1)}"
    assert topic.closed == 1


def test_a_long_topic_may_take_longer_as_long_as_records_come(
    topic: FakeTopic, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic.logs[0] = [value(Record("p.0", 0, n)) for n in range(1, 5)]
    clock = FakeClock()

    def poll(timeout_ms: int) -> dict[TopicPartition, list[Message]]:
        clock.sleep(6)
        return FakeTopic.poll(topic, timeout_ms)

    monkeypatch.setattr(topic, "poll", poll)
    monkeypatch.setattr(readback, "time", SimpleNamespace(monotonic=clock.now))
    assert readback.read_back([], "t", "cold", RUN, journal, 10) == 4


class Flaky(FakeTopic):
    """A topic whose every question fails once with a broken connection, and once knows of no partition."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def fail_once(self, question: str) -> None:
        if question not in self.asked:
            self.asked.add(question)
            raise KafkaConnectionError(question)

    def partitions_for_topic(self, name: str) -> set[int]:
        self.fail_once("partitions")
        if "unknown" not in self.asked:
            self.asked.add("unknown")
            return set()
        return super().partitions_for_topic(name)

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        self.fail_once("ends")
        return super().end_offsets(partitions)

    def position(self, partition: TopicPartition) -> int:
        self.fail_once("position")
        return super().position(partition)

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Message]]:
        self.fail_once("poll")
        return super().poll(timeout_ms)


def test_a_pass_rides_out_what_the_faults_cause_and_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, tmp_path: Path
) -> None:
    flaky, opened = Flaky(), list[str]()

    def client(*_: Any, **__: Any) -> FakeTopic:
        opened.append("")
        if len(opened) == 1:
            raise StackError("no-broker", "nobody answers")
        return flaky

    monkeypatch.setattr(clients, "consumer", client)
    flaky.logs |= {0: [value(A)], 1: [value(B)]}
    assert readback.read_back([], "t", "leaders-1", RUN, journal, 10) == 2
    journal.close()
    assert load(tmp_path).passes[0].logs == {0: [Entry(0, A)], 1: [Entry(0, B)]}
    assert flaky.asked == {"partitions", "unknown", "ends", "position", "poll"}


def test_a_fence_that_is_not_acknowledged_is_told(
    monkeypatch: pytest.MonkeyPatch, topic: FakeTopic, journal: Journal
) -> None:
    class Late(Acknowledged):
        def get(self, timeout: float) -> Acknowledged:
            raise KafkaTimeoutError(timeout)

    monkeypatch.setattr(topic, "send", lambda *_, **__: Late(0))
    with pytest.raises(StackError, match="the last record of partition 0 was not acknowledged") as caught:
        readback.write_fences([], "t", 2, RUN, journal)
    assert caught.value.reference == "no-fence"
    assert topic.closed == 1
