"""What can make `smoke` say no, check by check, and what must not: a whole run on a cluster in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, NotEnoughReplicasError, PolicyViolationError

from backbone.errors import ExitCode, StackError
from backbone.stack import smoke
from tests.fake_kafka import FakeKafka, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from backbone.verdict import Verdict

REPLICAS = "topic is created with all replicas"
ACKED = "records are acknowledged by all in-sync replicas"
READ = "records are read back as they were sent"
REACH = "records reach events-topic"
AFTER = "events-topic is readable by a fresh consumer after its leader was restarted"
BACK = "they are taken back before an archive keeps them"
REMOVED = "its own topic is removed"

CHECKS = [REPLICAS, ACKED, READ, REACH, AFTER, BACK, REMOVED]


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    made = FakeKafka().patch(monkeypatch)
    made.make("events-topic")
    return made


def run(kafka: FakeKafka, restart: Callable[[int], None] | None = lambda _: None) -> Verdict:
    return smoke.run(smoke.Plan(("b:1",), 40, restart), kafka.clock)


def judged(verdict: Verdict) -> dict[str, bool | None]:
    """Return the checks that do not hold."""
    return {check.name: check.ok for check in verdict.checks if check.ok is not True}


def on_own_topic(change: Callable[[Message], Message | None]) -> Callable[[Message], Message | None]:
    return lambda message: message if message.topic == "events-topic" else change(message)


def on_events(change: Callable[[Message], Message | None]) -> Callable[[Message], Message | None]:
    return lambda message: change(message) if message.topic == "events-topic" else message


def lose_second(message: Message) -> Message | None:
    return None if message.offset == 1 else message


def alter_second(message: Message) -> Message | None:
    return message._replace(value=b"other") if message.offset == 1 else message


def test_a_sound_cluster_passes_every_check_and_is_left_as_it_was(kafka: FakeKafka) -> None:
    verdict = run(kafka)
    assert verdict.exit_code is ExitCode.OK, verdict.lines()
    assert [check.name for check in verdict.checks] == CHECKS
    assert list(kafka.messages("events-topic")) == []
    assert set(kafka.logs) == {"events-topic"}


def test_replicas_out_of_sync_are_told_when_they_stay_so(kafka: FakeKafka) -> None:
    kafka.insync = [1, 2]
    assert judged(run(kafka)) == {REPLICAS: False}


def test_replicas_that_are_on_their_way_are_waited_for(kafka: FakeKafka) -> None:
    kafka.lags = 3
    assert judged(run(kafka)) == {}


@pytest.mark.parametrize(
    ("error", "ok"),
    [(MessageSizeTooLargeError(), False), (NotEnoughReplicasError(), None), (KafkaTimeoutError(), None)],
    ids=["rejected", "too few replicas just then", "no answer"],
)
def test_records_rejected_for_good_are_told_and_those_without_an_answer_are_not_judged(
    kafka: FakeKafka, error: BaseException, *, ok: bool | None
) -> None:
    kafka.rejects = lambda topic, _: error if topic != "events-topic" else None
    assert judged(run(kafka)) == {ACKED: ok}


@pytest.mark.parametrize("change", [lose_second, alter_second], ids=["lost", "altered"])
@pytest.mark.parametrize(("where", "check"), [(on_own_topic, READ), (on_events, AFTER)], ids=["own topic", "events"])
def test_a_record_lost_or_altered_is_told(
    kafka: FakeKafka,
    change: Callable[[Message], Message | None],
    where: Callable[[Callable[[Message], Message | None]], Callable[[Message], Message | None]],
    check: str,
) -> None:
    kafka.stores = where(change)
    verdict = run(kafka)
    assert judged(verdict) == {check: False}
    assert verdict.exit_code is ExitCode.FINDINGS


def test_a_slow_cluster_has_lost_nothing(kafka: FakeKafka) -> None:
    kafka.reached = 2
    verdict = run(kafka)
    assert judged(verdict) == {READ: None, AFTER: None}
    assert verdict.exit_code is ExitCode.NOTHING
    assert verdict.lines()[0].startswith("smoke: UNKNOWN")
    assert "not reached in 30 s" in verdict.lines()[1]


def test_records_rejected_by_the_events_topic_are_told(kafka: FakeKafka) -> None:
    kafka.rejects = lambda topic, _: MessageSizeTooLargeError() if topic == "events-topic" else None
    assert judged(run(kafka)) == {REACH: False}


def test_a_leader_that_does_not_come_back_in_time_loses_nothing(kafka: FakeKafka) -> None:
    def restart(_: int) -> None:
        raise StackError("not-ready", "kafka-1 was not ready after 120 s", hint="./invoke logs kafka-1")

    verdict = run(kafka, restart)
    assert judged(verdict) == {AFTER: None}
    assert verdict.lines()[1].endswith("kafka-1 was not ready after 120 s; try: ./invoke logs kafka-1")
    assert BACK in {check.name for check in verdict.checks}


def test_records_that_the_brokers_took_back_themselves_are_taken_back(kafka: FakeKafka) -> None:
    kafka.fenced = True
    assert judged(run(kafka)) == {}


def test_a_topic_that_cannot_be_removed_is_not_judged_and_says_nothing_of_records(kafka: FakeKafka) -> None:
    kafka.keeps_topics = StackError("kafka-request", "deleting is not allowed here")
    assert judged(run(kafka)) == {REMOVED: None}


def test_a_policy_against_the_topic_says_nothing_of_records(kafka: FakeKafka) -> None:
    kafka.rejects = lambda topic, _: PolicyViolationError() if topic == "events-topic" else None
    assert judged(run(kafka)) == {REACH: None}


def test_on_another_cluster_no_topic_but_its_own_is_written_to(kafka: FakeKafka) -> None:
    verdict = smoke.run(smoke.Plan(("b:1",), 40, None, events=False), kafka.clock)
    assert [check.name for check in verdict.checks] == [REPLICAS, ACKED, READ, REMOVED]
    assert judged(verdict) == {}
    assert list(kafka.messages("events-topic")) == []
