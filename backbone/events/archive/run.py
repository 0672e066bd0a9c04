"""The archive's own test, end to end (STORY-MSG-01): by contract into the topic, by the sink into the table."""

from __future__ import annotations

import copy
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backbone import clients
from backbone.errors import StackError
from backbone.events import dead_letters, reading, records, replaying
from backbone.events.archive import traffic
from backbone.events.archive.events import compare, events
from backbone.events.archive.faults import faults
from backbone.events.connectors import deployment as connector_plan
from backbone.events.connectors.causes import explain
from backbone.events.contracts.values import Converter
from backbone.events.contracts.wire import Decoder
from backbone.stack import health
from backbone.stack.leftovers import NO_LEDGER, Ledger, Trace
from backbone.verdict import Checks, Line, StepFailedError, Verdict
from backbone.wait import CLOCK, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from backbone.events.archive.database import Database
    from backbone.events.archive.faults import Fault
    from backbone.events.connectors.files import Connector
    from backbone.events.connectors.worker import State, Worker
    from backbone.events.contracts.model import Contract
    from backbone.events.contracts.registry import Registry
    from backbone.events.dead_letters import Letter
    from backbone.wait import Clock

_SINK_TIMEOUT_S = 60.0
"""How long nothing may happen (no row, no letter, no commit) before it is given up."""

_NO_ROW = "no-row"
_SINK_FAILED = "sink-failed"
_UNDELIVERED = (_NO_ROW, _SINK_FAILED)
"""The errors that say of events that they did not arrive, and not only that nobody could look."""

_SHOWN = 3
_LOOK_S = 0.1
_RATE = 200.0  # events a second while something restarts


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run works with. restart: stops and starts a service of the stack; None where that is not ours to do."""

    bootstrap: Sequence[str]
    contract: Contract
    registry: Registry
    worker: Worker
    connector: Connector
    connectors: Sequence[Connector]
    database: Database
    count: int
    restart: Callable[[str], None] | None
    brokers: Mapping[int, str]
    keep: bool = False
    ledger: Ledger = NO_LEDGER
    tell: Callable[[str], None] = lambda _: None
    clock: Clock = CLOCK


@dataclass(slots=True)
class Run:
    """One run: its own source name, and what it has sent.

    figures: what was measured, in seconds. faults: what has to end among the dead letters. doubled: how many of the
    good records were sent twice on purpose.
    """

    plan: Plan
    source: str = field(default_factory=lambda: f"archive-{uuid.uuid4().hex[:12]}")
    sent: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    doubled: int = 0
    begins: dict[str, Mapping[int, int]] = field(default_factory=dict)
    """Topic → partition → offset from which on this run reads: the end when it began, whatever the clocks say."""

    @property
    def trace(self) -> Trace:
        """The rows of this run."""
        return Trace("rows", self.source, _place(self.plan.database), "archive")

    def next_events(self, count: int) -> list[dict[str, Any]]:
        """Return the next events of this run, as JSON values."""
        return list(events(self.source, count, first=len(self.sent)))


def run(plan: Plan) -> tuple[Verdict, dict[str, float]]:
    """Carry out the test and return its verdict and figures; its own rows are removed unless the plan keeps them.

    So they are at Ctrl-C, and those of a run that was killed go too. Raises StackError before the first check if
    registry, worker or database does not answer or lets nobody in.
    """
    _everything_answers(plan)
    _clear(plan)
    checks = Checks("archive")
    this = Run(plan)
    topics = (plan.contract.topic, plan.connector.dead_letters)
    this.begins = {topic: _ends(plan.bootstrap, topic) for topic in topics if topic}
    if not plan.keep:
        plan.ledger.note(this.trace)
    try:
        codec = _contract_is_enforced(this, checks)
        _sink_runs(this, checks)
        _events_are_archived(this, codec, checks)
        _refused_are_put_aside(this, codec, checks)
        if plan.restart is not None:
            _restarts_lose_nothing(this, codec, plan.restart, checks)
        _events_are_readable(this, checks)
        if not plan.keep:
            with checks.step("its own rows are removed") as found:
                found.append(Line(_forget(plan, this.source)))
                plan.ledger.strike(this.trace)
    except StepFailedError:
        pass
    except KeyboardInterrupt:
        if not plan.keep:
            _withdraw(this)
        raise
    return checks.verdict(), this.figures


def _withdraw(this: Run) -> None:
    """Remove the rows of a run that was interrupted, when the sink has written the last of what was sent."""
    plan = this.plan
    plan.tell(f"interrupted; waiting for the sink, to remove the rows of {this.source}")
    try:
        _await_commits(this)
        plan.tell(f"{_forget(plan, this.source)} are removed")
        plan.ledger.strike(this.trace)
    except (StackError, KeyboardInterrupt) as error:
        why = error.message if isinstance(error, StackError) else "interrupted again"
        plan.tell(
            f"rows of {this.source} are left in {plan.database.table} ({why}); the next ./invoke archive removes them"
        )


def _clear(plan: Plan) -> None:
    """Remove the rows that killed runs have left in this table."""
    for trace in plan.ledger.orphaned():
        if trace.kind == "rows" and trace.where == _place(plan.database):
            plan.tell(f"removed {_forget(plan, trace.name)}: that run was killed")
            plan.ledger.strike(trace)


def _forget(plan: Plan, source: str) -> str:
    """Remove the rows of a run, discard its dead letters, which are as they should be, and say how many rows."""
    rows = plan.database.remove(source)
    mine = f"{source}/".encode()
    topic = plan.connector.dead_letters
    if topic and _ends(plan.bootstrap, topic):
        replaying.discard(
            plan.bootstrap, topic, lambda box: [each for each in box.waiting() if (each.key or b"").startswith(mine)]
        )
    return f"{rows} rows of {source}"


def _place(database: Database) -> tuple[str, ...]:
    return f"{database.host}:{database.port}", database.name, database.table


def _ends(bootstrap: Sequence[str], topic: str) -> Mapping[int, int]:
    """Return where a topic ends now; nowhere as long as nobody has made it."""
    try:
        return reading.ends(bootstrap, topic)
    except StackError as error:
        if error.reference != "no-topic":
            raise
        return {}


def _everything_answers(plan: Plan) -> None:
    plan.registry.subjects()
    plan.worker.connectors()
    with plan.database.connect():
        pass


def _contract_is_enforced(this: Run, checks: Checks) -> records.Codec:
    plan, contract = this.plan, this.plan.contract
    with checks.step("the registry holds the contract") as found:
        codec = records.Codec.registered(contract, plan.registry)
        level = plan.registry.level(contract.subject)
        line = f"{contract.subject} v{contract.latest.number}, level {level}"
        found.append(Line(line, ok=level == contract.compatibility))
    with checks.step("an incompatible schema is refused") as found:
        found.append(_refused_schema(contract, plan.registry))
    with checks.step("an invalid record is refused before anything is sent") as found:
        found.append(_refused_record(this, codec))
    return codec


def _refused_schema(contract: Contract, registry: Registry) -> Line:
    """Try to register a version that adds a field without default; it must come back with 409."""
    broken = copy.deepcopy(contract.latest.schema)
    broken["fields"].append({"name": "without_default", "type": "string", "doc": "Breaks every reader."})
    try:
        registry.register(contract.subject, json.dumps(broken))
    except StackError as error:
        if error.reference != "contract-incompatible":
            raise
        return Line(f"409: {error.context}")
    return Line("the registry took it", ok=False)


def _refused_record(this: Run, codec: records.Codec) -> Line:
    """Produce a file whose first line is valid and whose second is not; the transaction must not even begin."""
    valid = next(events(this.source, 1, first=10**9))
    lines = [json.dumps(valid).encode(), json.dumps({**valid, "event_id": 1}).encode()]
    plan = this.plan
    try:
        records.produce(lambda: lines, codec, lambda: records.transaction(plan.bootstrap, plan.contract.topic))
    except StackError as error:
        if error.reference != "invalid-records":
            raise
        return Line(str(error.context))
    return Line("it was sent", ok=False)


def _sink_runs(this: Run, checks: Checks) -> None:
    plan = this.plan
    with checks.step(f"connector {plan.connector.name} runs as git says", refuted_by=[_SINK_FAILED]) as found:
        done = connector_plan.apply([plan.connector], plan.connectors, plan.worker, lambda _: None)
        state = _await_sink(this)
        changed = ", ".join(change.kind for change in done) or "no change"
        found.append(Line(f"{len(state.tasks)} tasks, {changed}"))


def _await_sink(this: Run) -> State:
    """Wait until the connector runs; one that fails ends the wait with its cause."""
    plan = this.plan
    (state,) = connector_plan.wait_running(
        [plan.connector.name], plan.worker, timeout=_SINK_TIMEOUT_S, clock=plan.clock
    )
    _require_sink(this)
    return state


def _events_are_archived(this: Run, codec: records.Codec, checks: Checks) -> None:
    plan = this.plan
    name = f"{plan.count} events are in the table as they were sent"
    with checks.step(name, refuted_by=_UNDELIVERED) as found:
        batch = this.next_events(plan.count)
        with traffic.producer(plan.bootstrap) as client:
            started = time.monotonic()
            made = (record for record, _ in map(codec.record, batch) if record is not None)
            traffic.send(client, plan.contract.topic, made)
            this.figures["acknowledged_s"] = time.monotonic() - started
        this.sent += batch
        _await_rows(this)
        seconds = time.monotonic() - started
        this.figures |= {"events": plan.count, "first_send_to_last_row_s": seconds, "rows_per_s": plan.count / seconds}
        sent = f"the last acknowledgement after {this.figures['acknowledged_s']:.2f} s"
        found.append(Line(f"first send to last row {seconds:.2f} s ({sent}), {plan.count / seconds:,.0f} rows/s"))
        found.extend(_table_differences(this))


def _await_rows(this: Run) -> None:
    """Wait until the table has as many rows as were sent, for as long as rows come; a sink that fails ends the wait.

    Raises StackError("no-row") when none has come for a minute though sink and database answer: a slow machine is not
    a loss, and a database that is not there says nothing of its rows.
    """
    database, wanted = this.plan.database, len(this.sent)
    rows, since = 0, this.plan.clock.now()
    while (seen := database.count(this.source)) < wanted:
        _require_sink(this)
        now = this.plan.clock.now()
        if seen > rows:
            rows, since = seen, now
        elif now - since >= _SINK_TIMEOUT_S:
            with database.connect():
                raise StackError(
                    _NO_ROW,
                    f"{wanted - seen} of {wanted} events are not in the table, and none came for {_SINK_TIMEOUT_S:g} s",
                    hint="./invoke connectors status\n./invoke logs kafka-connect",
                )
        # The longer nothing has come, the seldomer it is looked for: each look asks database and worker.
        this.plan.clock.sleep(min(1.0, _LOOK_S + (now - since) / 10))


def _require_sink(this: Run) -> None:
    """Raise StackError("sink-failed") with first cause and remedy if the connector has given up."""
    state = this.plan.worker.state(this.plan.connector.name)
    if state is not None and state.failed:
        cause = explain(state.first_trace)
        raise StackError(_SINK_FAILED, f"{state.name} has failed", context=cause.told, hint=cause.remedy or None)


def _table_differences(this: Run) -> Iterator[Line]:
    """Say how the table differs from what was sent, field by field."""
    converter = Converter(this.plan.contract.latest.schema)
    sent = [converter.convert(event)[0] for event in this.sent]
    differences = compare(sent, this.plan.database.rows(this.source))
    for difference in differences[:_SHOWN]:
        yield Line(str(difference), ok=False)
    if len(differences) > _SHOWN:
        yield Line(f"{len(differences) - _SHOWN} more", ok=False)
    if not differences:
        yield Line(f"{len(sent)} rows equal in {len(sent[0])} columns, 0 missing, 0 twice")


def _refused_are_put_aside(this: Run, codec: records.Codec, checks: Checks) -> None:
    """Send every fault amid good records, one of those twice, and find each where it belongs."""
    name = "what cannot be archived goes to the dead letters and the rest flows"
    with checks.step(name, refuted_by=_UNDELIVERED) as found:
        _send_with_faults(this, codec, 10)
        _await_rows(this)
        found.extend(_await_letters(this))
        found.extend(_table_differences(this))


def _send_with_faults(this: Run, codec: records.Codec, count: int) -> None:
    batch = this.next_events(count)
    good = [record for record, _ in map(codec.record, batch) if record is not None]
    bad = list(faults(this.source, codec, series=len(this.faults)))
    amid = [record for pair in zip(good, [fault.record for fault in bad], strict=False) for record in pair]
    with traffic.producer(this.plan.bootstrap) as client:
        traffic.send(client, this.plan.contract.topic, [*amid, good[0], *good[len(bad) :]])
    this.doubled += 1
    this.sent += batch
    this.faults += bad


def _send_faults(this: Run, codec: records.Codec) -> None:
    bad = list(faults(this.source, codec, series=len(this.faults)))
    with traffic.producer(this.plan.bootstrap) as client:
        traffic.send(client, this.plan.contract.topic, [fault.record for fault in bad])
    this.faults += bad


def _await_letters(this: Run) -> Iterator[Line]:
    """Wait until every fault is a dead letter, then say how many there are and which has another cause."""
    topic = this.plan.connector.dead_letters
    if topic is None:
        yield Line("the connector has no dead-letter topic", ok=False)
        return
    wanted = {fault.record.key: fault for fault in this.faults}
    good = {event["event_id"].encode() for event in this.sent}

    def arrived() -> list[Letter] | None:
        _require_sink(this)
        box = dead_letters.read(topic, _since(this, topic))
        mine = [letter for letter in box.letters.values() if letter.key in wanted or letter.key in good]
        return mine if {letter.key for letter in mine} >= wanted.keys() else None

    what = f"{len(wanted)} dead letters"
    try:
        letters = wait_until(arrived, what=what, timeout=_SINK_TIMEOUT_S, interval=0.5, clock=this.plan.clock)
    except StackError as error:
        if error.reference == "timed-out" and _lag(this)() == 0:
            yield Line(f"not all of {what} are there, though the sink has committed all records", ok=False)
            return
        raise  # it has not come to them: nothing is known
    for letter in letters:
        fault = wanted.pop(letter.key or b"", None)
        if fault is None:
            yield Line(f"{letter.origin} is twice among the dead letters, or a good record: {letter.reason}", ok=False)
        elif fault.cause not in ("", letter.cause):
            yield Line(f"{fault.name}: its cause is {letter.cause}, not {fault.cause}: {letter.reason}", ok=False)
    causes = ", ".join(sorted({letter.cause for letter in letters}))
    yield Line(f"{len(letters)} dead letters, each with its cause ({causes})")


def _lag(this: Run) -> Callable[[], int]:
    """Return what tells how many records the sink has yet to commit of those that are in the topic now.

    What others send meanwhile is not counted: it may never end.
    """
    topic, name = this.plan.contract.topic, this.plan.connector.name
    newest = {message.partition: message.offset + 1 for message in _since(this, topic)}

    def lag() -> int:
        committed = this.plan.worker.offsets(name)
        return sum(max(0, end - committed.get((topic, partition), 0)) for partition, end in newest.items())

    return lag


def _await_commits(this: Run) -> None:
    """Wait until the sink has committed what is in the topic now."""
    lag = _lag(this)
    wait_until(
        lambda: lag() == 0,
        what="the sink to have committed all of them",
        timeout=_SINK_TIMEOUT_S,
        interval=1,
        last_seen=lambda: f"{lag()} records behind",
        clock=this.plan.clock,
    )


def _since(this: Run, topic: str) -> Iterator[Any]:
    """Yield what came to a topic since this run began."""
    return reading.consume(this.plan.bootstrap, topic, reading.Selection(places=this.begins[topic]))


def _restarts_lose_nothing(this: Run, codec: records.Codec, restart: Callable[[str], None], checks: Checks) -> None:
    plan = this.plan
    leader = _leader(plan)
    services = [name for name in (leader, "kafka-connect", "postgres") if name]
    name = f"restarts of {', '.join(services)} under load lose nothing and double nothing"
    with checks.step(name, refuted_by=_UNDELIVERED) as found:
        source = events(this.source, 10**9, first=len(this.sent))
        steady = traffic.Steady(plan.bootstrap, plan.contract.topic, source, codec, _RATE)
        with steady.running():
            for service in services:
                _send_faults(this, codec)
                restart(service)
                _await_sink(this)
                _send_faults(this, codec)
        this.sent += steady.sent
        _await_rows(this)
        found.append(Line(f"{len(steady.sent)} events meanwhile"))
        found.extend(_await_letters(this))
        found.extend(_table_differences(this))
    with checks.step("the sink has caught up, every task runs", refuted_by=[_SINK_FAILED]) as found:
        _await_commits(this)
        state = _await_sink(this)
        found.append(Line(f"lag 0, {len(state.tasks)} tasks {state.state}"))


def _leader(plan: Plan) -> str | None:
    """Return the service that leads the topic's first partition."""
    with clients.admin(plan.bootstrap) as client:
        found = health.cluster_health(client).partitions
    leaders = {item.leader for item in found if (item.topic, item.partition) == (plan.contract.topic, 0)}
    return next((plan.brokers[leader] for leader in leaders if leader in plan.brokers), None)


def _events_are_readable(this: Run, checks: Checks) -> None:
    """Find in the topic what was sent, each event once, and nothing of the refused file."""
    with checks.step("the events are readable from the topic by contract") as found:
        decoder = Decoder(this.plan.registry.schema)
        converter = Converter(this.plan.contract.latest.schema)
        read, faulty = [], {fault.record.key for fault in this.faults}
        for message in _since(this, this.plan.contract.topic):
            try:
                value = decoder.decode(message.value)
            except StackError:
                continue  # a fault of this run, or somebody else's
            if isinstance(value, dict) and value["source"] == this.source and message.key not in faulty:
                read.append(value)
        differences = compare((converter.convert(event)[0] for event in this.sent), read)
        twice = len(read) - len({value["event_id"] for value in read}) - this.doubled
        found.extend(Line(str(difference), ok=False) for difference in differences[:_SHOWN])
        found.append(Line(f"{len(read)} records of {this.source}, {twice} twice", ok=not twice))
