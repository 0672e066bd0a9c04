"""What can make `archive` say no, check by check, and what must not: a whole run against fakes of every service."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from kafka.errors import KafkaTimeoutError

from backbone.errors import ExitCode, StackError
from backbone.events.archive import run as archive
from backbone.events.archive.plan import Plan
from backbone.events.connectors.files import Connector
from backbone.events.connectors.worker import Worker
from backbone.events.contracts import repository
from backbone.events.contracts.registry import Registry
from backbone.events.contracts.values import Converter
from backbone.events.contracts.wire import Decoder, Encoder
from tests import ROOT
from tests.fake_kafka import FakeKafka, Message
from tests.servers.connect import SINK, FakeWorker
from tests.servers.http import serve
from tests.servers.registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.events.archive.database import Database
    from backbone.verdict import Verdict

TOPIC, LETTERS = "events-topic", "events-topic.dead-letters"
HOLDS = "the registry holds the contract"
REFUSES = "an incompatible schema is refused"
INVALID = "an invalid record is refused before anything is sent"
SINK_RUNS = "connector postgres-archive runs as git says"
ROWS = "20 events are in the table as they were sent"
ASIDE = "what cannot be archived goes to the dead letters and the rest flows"
RESTARTS = "restarts of kafka-1, kafka-connect, postgres under load lose nothing and double nothing"
CAUGHT_UP = "the sink has caught up, every task runs"
READABLE = "the events are readable from the topic by contract"
CLEANED = "its own rows are removed"
CHECKS = [HOLDS, REFUSES, INVALID, SINK_RUNS, ROWS, ASIDE, RESTARTS, CAUGHT_UP, READABLE, CLEANED]


@dataclass
class Site:
    """Every service that the archive needs, as fakes; the sink moves what is in the topic when it is given time.

    keeps: what becomes of a row (None: it is lost). aside: whether a refused record becomes a letter. batch: how many
    records the sink takes at each look, -1 for all.
    """

    kafka: FakeKafka
    registry: FakeRegistry
    worker: FakeWorker
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    keeps: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda row: row
    aside: bool = True
    batch: int = -1
    stopped: bool = False
    commits: bool = True
    strays: bool = False
    """Whether good records also become dead letters."""
    others: bool = False
    """Whether somebody else sends a record at each look."""
    unreachable: bool = False
    causes: dict[str, str] = field(default_factory=dict)
    """Causes that are told in place of the true ones."""
    at: dict[int, int] = field(default_factory=dict)

    def move(self) -> None:
        """Let the sink work."""
        if self.others:
            self.kafka.append(TOPIC, b"somebody", b"else's")
        decoder = Decoder({number + 1: json.loads(text) for number, text in enumerate(self.registry.schemas)}.get)
        taken = 0
        for partition, log in self.kafka.logs[TOPIC].items():
            for message in [each for each in log if each.offset >= self.at.get(partition, 0)]:
                if self.stopped or taken == self.batch:
                    return
                taken += 1
                self.at[partition] = message.offset + 1
                self._take(message, decoder)
            if self.commits:
                self.worker.committed[TOPIC, partition] = self.kafka.ends[TOPIC, partition]

    def _take(self, message: Message, decoder: Decoder) -> None:
        row, cause = _refused(message.value or b"", decoder)
        if cause is None:
            if (kept := self.keeps(row)) is not None:
                self.rows[row["event_id"]] = kept
            if self.strays:
                self._put_aside(message, "23505 ERROR")
        elif self.aside:
            self._put_aside(message, f"{self.causes.get(cause, cause)} ERROR")

    def _put_aside(self, message: Message, reason: str) -> None:
        told = {"topic": TOPIC, "partition": str(message.partition), "offset": str(message.offset)}
        headers = [(f"__connect.errors.{name}", value.encode()) for name, value in told.items()]
        headers.append(("__connect.errors.exception.message", reason.encode()))
        self.kafka.append(LETTERS, message.key, message.value, headers=headers)

    # What is asked of the database.

    @contextmanager
    def connect(self) -> Iterator[None]:
        if self.unreachable:
            raise StackError("database-unreachable", "PostgreSQL does not answer")
        yield

    def count(self, source: str) -> int:
        self.move()
        return 0 if self.unreachable else sum(row["source"] == source for row in self.rows.values())

    def found(self, source: str) -> list[dict[str, Any]]:
        return [row for row in self.rows.values() if row["source"] == source]

    def remove(self, source: str) -> int:
        gone = [key for key, row in self.rows.items() if row["source"] == source]
        for key in gone:
            del self.rows[key]
        return len(gone)


def _refused(raw: bytes, decoder: Decoder) -> tuple[dict[str, Any], str | None]:
    """Return a record and why PostgreSQL does not take it, as an SQLSTATE; None if it does."""
    try:
        row: dict[str, Any] = decoder.decode(raw)
    except StackError:
        return {}, "00000"
    if not isinstance(row["occurred_at"], datetime):
        return row, "22008"
    if "\0" in (row["payload"] or ""):
        return row, "22021"
    return row, "54000" if len(row["event_id"]) > 2704 else None


@dataclass
class Table:
    """The site's database by the names of the real one."""

    site: Site
    place: tuple[str, ...] = ("127.0.0.1:5432", "events", "events")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.site, "found" if name == "rows" else name)


@pytest.fixture
def laid(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, Plan]]:
    kafka = FakeKafka().patch(monkeypatch)
    kafka.make(TOPIC)
    kafka.make(LETTERS, 1)
    made = Site(kafka, FakeRegistry(), FakeWorker())
    kafka.looked = made.move
    contract = repository.load(ROOT / repository.FOLDER, repository.SCHEMA_FILE).for_topic(TOPIC)
    assert contract is not None
    dead = {"errors.deadletterqueue.topic.name": LETTERS}
    connector = Connector(
        "postgres-archive", "The archive.", optional=False, config={"connector.class": SINK, "topics": TOPIC, **dead}
    )

    with serve(made.registry) as registry, serve(made.worker) as worker:
        known = Registry(registry)
        for version in contract.versions:
            known.register(contract.subject, version.compact)
        known.set_level(contract.compatibility, contract.subject)
        yield (
            made,
            Plan(
                bootstrap=("b:1",),
                contract=contract,
                registry=known,
                worker=Worker(worker, clock=kafka.clock),
                connector=connector,
                connectors=[connector],
                database=cast("Database", Table(made)),
                count=20,
                restart=None,
                brokers={1: "kafka-1"},
                clock=kafka.clock,
            ),
        )


@pytest.fixture
def site(laid: tuple[Site, Plan]) -> Site:
    return laid[0]


@pytest.fixture
def plan(laid: tuple[Site, Plan]) -> Plan:
    return laid[1]


def judged(plan: Plan) -> dict[str, bool | None]:
    """Carry the plan out and return the checks that do not hold."""
    verdict, _ = archive.run(plan)
    return {check.name: check.ok for check in verdict.checks if check.ok is not True}


def verdict_of(plan: Plan) -> Verdict:
    return archive.run(plan)[0]


def test_a_sound_site_passes_every_check_and_is_left_as_it_was(site: Site, plan: Plan) -> None:
    verdict = verdict_of(replace(plan, restart=lambda _: None))
    assert verdict.exit_code is ExitCode.OK, "\n".join(verdict.lines())
    assert [check.name for check in verdict.checks] == CHECKS
    assert site.rows == {}


def test_a_level_that_is_not_the_contracts_is_told(site: Site, plan: Plan) -> None:
    site.registry.levels[plan.contract.subject] = "NONE"
    assert judged(plan)[HOLDS] is False


def test_a_registry_that_takes_everything_is_told(site: Site, plan: Plan) -> None:
    site.registry.levels[plan.contract.subject] = "NONE"
    assert judged(plan)[REFUSES] is False


def test_a_contract_that_was_not_applied_says_nothing_of_events(site: Site, plan: Plan) -> None:
    site.registry.subjects.clear()
    verdict = verdict_of(plan)
    assert (verdict.checks[-1].name, verdict.exit_code) == (HOLDS, ExitCode.NOTHING)
    assert verdict.lines()[1].endswith("try: ./invoke contracts apply")


def test_an_invalid_record_that_is_sent_is_told(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Converter, "convert", lambda _, value: (value, []))
    monkeypatch.setattr(Encoder, "encode", lambda *_: b"anything")
    assert judged(plan)[INVALID] is False


def test_a_sink_that_has_failed_is_told_with_its_cause(site: Site, plan: Plan) -> None:
    site.worker.traces[plan.connector.name] = "a.ConnectException: no\nCaused by: b.SQLError: 42804 no such type"
    verdict = verdict_of(plan)
    assert (verdict.checks[-1].name, verdict.checks[-1].ok) == (SINK_RUNS, False)
    assert "42804" in verdict.checks[-1].detail


def test_a_worker_that_does_not_place_the_sink_in_time_is_not_judged(site: Site, plan: Plan) -> None:
    site.worker.pending = 10_000
    assert judged(plan) == {SINK_RUNS: None}


def test_a_row_that_never_comes_is_told_after_a_minute_without_any(site: Site, plan: Plan) -> None:
    site.keeps = lambda row: None if row["event_type"].endswith(".3") else row
    verdict = verdict_of(plan)
    assert (verdict.checks[-1].name, verdict.checks[-1].ok) == (ROWS, False)
    assert "none came for 60 s" in verdict.checks[-1].detail


def test_a_row_that_was_altered_is_told(site: Site, plan: Plan) -> None:
    site.keeps = lambda row: {**row, "amount": 7.0}
    assert judged(plan)[ROWS] is False


def test_rows_that_come_slowly_are_waited_for(site: Site, plan: Plan) -> None:
    def slowly(row: dict[str, Any]) -> dict[str, Any]:
        plan.clock.sleep(50)
        return row

    site.batch, site.keeps = 1, slowly
    assert judged(plan).get(ROWS, True)


def test_a_database_that_has_gone_has_lost_nothing(site: Site, plan: Plan) -> None:
    def go(row: dict[str, Any]) -> dict[str, Any]:
        site.unreachable = True
        return row

    site.keeps = go
    assert judged(plan) == {ROWS: None}


def test_events_without_an_acknowledgement_are_not_judged(site: Site, plan: Plan) -> None:
    site.kafka.rejects = lambda topic, _: KafkaTimeoutError() if topic == TOPIC else None
    assert judged(plan) == {ROWS: None}


def test_a_refused_record_that_is_nowhere_is_told(site: Site, plan: Plan) -> None:
    site.aside = False
    assert judged(plan)[ASIDE] is False


def test_a_refused_record_that_the_sink_has_not_come_to_is_not_judged(site: Site, plan: Plan) -> None:
    site.aside = site.commits = False
    assert judged(plan) == {ASIDE: None}


def test_a_dead_letter_with_a_cause_that_is_not_its_own_is_told(site: Site, plan: Plan) -> None:
    site.causes["22008"] = "22021"
    assert judged(plan) == {ASIDE: False}


def test_a_dead_letter_of_a_good_record_is_told(site: Site, plan: Plan) -> None:
    site.strays = True
    assert judged(plan) == {ASIDE: False}


def test_events_lost_in_a_restart_are_told(site: Site, plan: Plan) -> None:
    def restart(_: str) -> None:
        site.keeps = lambda row: {**row, "amount": -1.0}

    assert judged(replace(plan, restart=restart))[RESTARTS] is False


def test_a_service_that_does_not_come_back_in_time_has_lost_nothing(plan: Plan) -> None:
    def restart(name: str) -> None:
        raise StackError("not-ready", f"{name} was not ready after 120 s")

    assert judged(replace(plan, restart=restart)) == {RESTARTS: None}


def test_a_sink_that_never_commits_is_not_judged_and_others_records_are_not_waited_for(site: Site, plan: Plan) -> None:
    def restart(_: str) -> None:
        """Nothing happens, but somebody else goes on sending."""
        site.others = True

    assert judged(replace(plan, restart=restart)) == {}
    site.commits = False
    assert judged(replace(plan, restart=restart)) == {CAUGHT_UP: None}


def test_an_event_that_is_not_in_the_topic_is_told(site: Site, plan: Plan) -> None:
    site.kafka.reads = lambda message: None if message.offset == 2 and message.topic == TOPIC else message
    assert judged(plan) == {READABLE: False}


def test_records_that_retention_has_removed_are_not_missing(site: Site, plan: Plan) -> None:
    def restart(name: str) -> None:
        if name == "postgres":
            site.move()
            site.kafka.first[TOPIC, 0] = 3
            del site.kafka.logs[TOPIC][0][:3]

    verdict = verdict_of(replace(plan, restart=restart))
    (told,) = [check for check in verdict.checks if check.ok is not True]
    assert (told.name, told.ok) == (READABLE, None)
    assert "has removed 3 records since the run began" in told.detail


def test_an_event_that_is_twice_in_the_topic_is_told(site: Site, plan: Plan) -> None:
    def restart(_: str) -> None:
        first = site.kafka.logs[TOPIC][0][0]
        site.kafka.append(TOPIC, first.key, first.value)

    verdict = verdict_of(replace(plan, restart=restart))
    (told,) = [check for check in verdict.checks if check.ok is False]
    assert told.name == READABLE
    assert "is there twice" in told.detail


def test_a_copy_that_was_sent_on_purpose_and_is_not_in_the_topic_is_told(site: Site, plan: Plan) -> None:
    def is_copy(message: Message) -> bool:
        log = site.kafka.logs[message.topic][message.partition]
        return any((each.key, each.value) == (message.key, message.value) for each in log[: message.offset])

    site.kafka.reads = lambda message: None if is_copy(message) else message
    verdict = verdict_of(plan)
    (told,) = [check for check in verdict.checks if check.ok is False]
    assert told.name == READABLE
    assert "was sent twice and is there 1 times" in told.detail


def test_a_contract_that_refuses_the_events_says_nothing_of_the_sink(site: Site, plan: Plan) -> None:
    latest = plan.contract.latest
    required = {"name": "amount", "type": "double", "doc": "No event may be without."}
    fields = [required if each["name"] == "amount" else each for each in latest.schema["fields"]]
    stricter = replace(latest, number=latest.number + 1, schema={**latest.schema, "fields": fields})
    contract = replace(plan.contract, versions=(*plan.contract.versions, stricter))
    site.registry.levels[contract.subject] = "NONE"
    plan.registry.register(contract.subject, stricter.compact)
    verdict = verdict_of(replace(plan, contract=contract))
    (told,) = [check for check in verdict.checks if check.name == ROWS]
    assert told.ok is None
    assert "does not take the events that archive makes" in told.detail


def test_clocks_that_go_back_hide_no_record(site: Site, plan: Plan) -> None:
    site.kafka.now = 0
    assert judged(plan) == {}
