"""The archive's own test, end to end (STORY-MSG-01): by contract into the topic, by the sink into the table."""

from __future__ import annotations

import copy
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

from backbone import clients
from backbone.errors import StackError
from backbone.events import reading, records, replaying
from backbone.events.archive import traffic, waiting
from backbone.events.archive.events import Events
from backbone.events.archive.faults import faults
from backbone.events.archive.plan import Plan, Run
from backbone.events.connectors import deployment as connector_plan
from backbone.events.contracts.wire import Decoder
from backbone.stack import health
from backbone.verdict import Checks, Line, StepFailedError, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from backbone.events.archive.events import Difference
    from backbone.events.contracts.model import Contract
    from backbone.events.contracts.registry import Registry

_SHOWN = 3
_ENDLESS = 10**9  # more events than any run sends
_RATE = 200.0  # events a second while something restarts


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
        waiting.commits(this)
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
        if trace.kind == "rows" and trace.where == plan.database.place:
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


def _ends(bootstrap: Sequence[str], topic: str) -> Mapping[int, int]:
    """Return where a topic ends now; nowhere as long as nobody has made it."""
    try:
        return {partition: end for partition, (_, end) in reading.bounds(bootstrap, topic).items()}
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
    valid = Events(this.source)[_ENDLESS]
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
    with checks.step(f"connector {plan.connector.name} runs as git says", refuted_by=[waiting.SINK_FAILED]) as found:
        done = connector_plan.apply([plan.connector], plan.connectors, plan.worker, lambda _: None)
        state = waiting.sink(this)
        changed = ", ".join(change.kind for change in done) or "no change"
        found.append(Line(f"{len(state.tasks)} tasks, {changed}"))


def _events_are_archived(this: Run, codec: records.Codec, checks: Checks) -> None:
    plan = this.plan
    name = f"{plan.count} events are in the table as they were sent"
    with checks.step(name, refuted_by=waiting.UNDELIVERED) as found:
        with traffic.producer(plan.bootstrap) as client:
            started = time.monotonic()
            this.sent += traffic.send(client, plan.contract.topic, this.next_records(codec, plan.count))
            this.figures["acknowledged_s"] = time.monotonic() - started
        waiting.rows(this)
        seconds = time.monotonic() - started
        this.figures |= {"events": plan.count, "first_send_to_last_row_s": seconds, "rows_per_s": plan.count / seconds}
        sent = f"the last acknowledgement after {this.figures['acknowledged_s']:.2f} s"
        found.append(Line(f"first send to last row {seconds:.2f} s ({sent}), {plan.count / seconds:,.0f} rows/s"))
        found.extend(_table_differences(this))


def _table_differences(this: Run) -> Iterator[Line]:
    """Say how the table differs from what was sent, field by field."""
    columns = len(this.plan.contract.latest.schema["fields"])
    equal = Line(f"{this.sent} rows equal in {columns} columns, 0 missing, 0 twice")
    return _told(this.differences(this.plan.database.rows(this.source)), equal)


def _told(differences: Iterable[Difference], equal: Line) -> Iterator[Line]:
    """Yield the first differences and how many there are beside them, or the line that says that there are none."""
    coming = iter(differences)
    shown = [Line(str(difference), ok=False) for difference in itertools.islice(coming, _SHOWN)]
    yield from shown or [equal]
    if more := sum(1 for _ in coming):
        yield Line(f"{more} more", ok=False)


def _refused_are_put_aside(this: Run, codec: records.Codec, checks: Checks) -> None:
    """Send every fault amid good records, one of those twice, and find each where it belongs."""
    name = "what cannot be archived goes to the dead letters and the rest flows"
    with checks.step(name, refuted_by=waiting.UNDELIVERED) as found:
        _send_with_faults(this, codec, 10)
        waiting.rows(this)
        found.extend(waiting.letters(this))
        found.extend(_table_differences(this))


def _send_with_faults(this: Run, codec: records.Codec, count: int) -> None:
    good = list(this.next_records(codec, count))
    bad = list(faults(this.source, codec, series=len(this.faults)))
    amid = [record for pair in zip(good, [fault.record for fault in bad], strict=False) for record in pair]
    with traffic.producer(this.plan.bootstrap) as client:
        traffic.send(client, this.plan.contract.topic, [*amid, good[0], *good[len(bad) :]])
    this.doubled.add(good[0].key)
    this.sent += count
    this.faults += bad


def _send_faults(this: Run, codec: records.Codec) -> None:
    bad = list(faults(this.source, codec, series=len(this.faults)))
    with traffic.producer(this.plan.bootstrap) as client:
        traffic.send(client, this.plan.contract.topic, [fault.record for fault in bad])
    this.faults += bad


def _restarts_lose_nothing(this: Run, codec: records.Codec, restart: Callable[[str], None], checks: Checks) -> None:
    plan = this.plan
    leader = _leader(plan)
    services = [name for name in (leader, "kafka-connect", "postgres") if name]
    name = f"restarts of {', '.join(services)} under load lose nothing and double nothing"
    with checks.step(name, refuted_by=waiting.UNDELIVERED) as found:
        steady = traffic.Steady(plan.bootstrap, plan.contract.topic, this.next_records(codec, _ENDLESS), _RATE)
        with steady.running():
            for service in services:
                _send_faults(this, codec)
                restart(service)
                waiting.sink(this)
                _send_faults(this, codec)
        this.sent += steady.sent
        waiting.rows(this)
        found.append(Line(f"{steady.sent} events meanwhile"))
        found.extend(waiting.letters(this))
        found.extend(_table_differences(this))
    with checks.step("the sink has caught up, every task runs", refuted_by=[waiting.SINK_FAILED]) as found:
        waiting.commits(this)
        state = waiting.sink(this)
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
        copies = dict.fromkeys(this.doubled, 0)
        equal = Line(f"{this.sent} records of {this.source}, 0 twice")
        told = list(_told(this.differences(_read(this, copies)), equal))
        _require_kept(this)
        found.extend(told)
        found.extend(
            Line(f"{key.decode()} was sent twice and is there {times} times", ok=False)
            for key, times in copies.items()
            if times != 2  # noqa: PLR2004
        )


def _require_kept(this: Run) -> None:
    """Raise StackError("not-kept") if the topic's retention has taken records of this run: nobody can read those."""
    topic = this.plan.contract.topic
    gone = sum(
        max(0, first - this.begins[topic].get(partition, 0))
        for partition, (first, _) in reading.bounds(this.plan.bootstrap, topic).items()
    )
    if gone:
        raise StackError(
            "not-kept",
            f"{topic} has removed {gone} records since the run began, as its retention says",
            hint="send fewer --events, or set KAFKA_LOG_RETENTION_BYTES in .env higher\n./invoke up --renew",
        )


def _read(this: Run, copies: dict[bytes, int]) -> Iterator[dict[str, Any]]:
    """Yield what is in the topic of this run, but for its faults, and once what is there twice on purpose.

    copies: how often each of those is there, by its key; counted here.
    """
    decoder = Decoder(this.plan.registry.schema)
    faulty = {fault.record.key for fault in this.faults}
    for message in this.since(this.plan.contract.topic):
        try:
            value = decoder.decode(message.value)
        except StackError:
            continue  # a fault of this run, or somebody else's
        if not isinstance(value, dict) or value["source"] != this.source or message.key in faulty:
            continue
        if message.key in copies:
            copies[message.key] += 1
            if copies[message.key] > 1:
                continue
        yield value
