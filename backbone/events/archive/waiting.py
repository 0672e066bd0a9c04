"""What a run of the archive's test waits for: sink, rows, dead letters, commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import StackError
from backbone.events import dead_letters
from backbone.events.connectors import deployment
from backbone.events.connectors.causes import explain
from backbone.verdict import Line
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.events.archive.plan import Run
    from backbone.events.connectors.worker import State
    from backbone.events.dead_letters import Letter

TIMEOUT_S = 60.0
"""How long nothing may happen (no row, no letter, no commit) before it is given up."""

NO_ROW = "no-row"
SINK_FAILED = "sink-failed"
UNDELIVERED = (NO_ROW, SINK_FAILED)
"""The errors that say of events that they did not arrive, and not only that nobody could look."""

_LOOK_S = 0.1


def sink(this: Run) -> State:
    """Wait until the connector runs; one that fails ends the wait with its cause."""
    plan = this.plan
    (state,) = deployment.wait_running([plan.connector.name], plan.worker, timeout=TIMEOUT_S, clock=plan.clock)
    require_sink(this)
    return state


def require_sink(this: Run) -> None:
    """Raise StackError("sink-failed") with first cause and remedy if the connector has given up."""
    state = this.plan.worker.state(this.plan.connector.name)
    if state is not None and state.failed:
        cause = explain(state.first_trace)
        raise StackError(SINK_FAILED, f"{state.name} has failed", context=cause.told, hint=cause.remedy or None)


def rows(this: Run) -> None:
    """Wait until the table has as many rows as were sent, for as long as rows come; a sink that fails ends the wait.

    Raises StackError("no-row") when none has come for a minute though sink and database answer: a slow machine is not
    a loss, and a database that is not there says nothing of its rows.
    """
    database, wanted, clock = this.plan.database, this.sent, this.plan.clock
    rows, since = 0, clock.now()
    asked = since
    while (seen := database.count(this.source)) < wanted:
        require_sink(this)
        now = clock.now()
        if seen > rows:
            rows, since = seen, now
        elif now - since >= TIMEOUT_S:
            with database.connect():
                raise StackError(
                    NO_ROW,
                    f"{wanted - seen} of {wanted} events are not in the table, and none came for {TIMEOUT_S:g} s",
                    hint="./invoke connectors status\n./invoke logs kafka-connect",
                )
        # The longer nothing has come, and the longer a look takes, the seldomer it is looked for: each look asks the
        # worker and has the database count, beside the sink's own work.
        clock.sleep(max(min(1.0, _LOOK_S + (now - since) / 10), 4 * (now - asked)))
        asked = clock.now()


def letters(this: Run) -> Iterator[Line]:
    """Wait until every fault is a dead letter, then say how many there are and which has another cause."""
    topic = this.plan.connector.dead_letters
    if topic is None:
        yield Line("the connector has no dead-letter topic", ok=False)
        return
    wanted = {fault.record.key: fault for fault in this.faults}

    def arrived() -> list[Letter] | None:
        require_sink(this)
        box = dead_letters.read(topic, this.since(topic))
        found = list(box.letters.values())
        return found if {letter.key for letter in found} >= wanted.keys() else None

    what = f"{len(wanted)} dead letters"
    try:
        found = wait_until(arrived, what=what, timeout=TIMEOUT_S, interval=0.5, clock=this.plan.clock)
    except StackError as error:
        if error.reference == "timed-out" and _lag(this)() == 0:
            yield Line(f"not all of {what} are there, though the sink has committed all records", ok=False)
            return
        raise  # it has not come to them: nothing is known
    mine = [letter for letter in found if letter.key in wanted or this.has_sent(letter.key or b"")]
    for letter in mine:
        fault = wanted.pop(letter.key or b"", None)
        if fault is None:
            yield Line(f"{letter.origin} is twice among the dead letters, or a good record: {letter.reason}", ok=False)
        elif fault.cause not in ("", letter.cause):
            yield Line(f"{fault.name}: its cause is {letter.cause}, not {fault.cause}: {letter.reason}", ok=False)
    causes = ", ".join(sorted({letter.cause for letter in mine}))
    yield Line(f"{len(mine)} dead letters, each with its cause ({causes})")


def _lag(this: Run) -> Callable[[], int]:
    """Return what tells how many records the sink has yet to commit of those that are in the topic now.

    What others send meanwhile is not counted: it may never end.
    """
    topic, name = this.plan.contract.topic, this.plan.connector.name
    newest = {message.partition: message.offset + 1 for message in this.since(topic)}

    def lag() -> int:
        committed = this.plan.worker.offsets(name)
        return sum(max(0, end - committed.get((topic, partition), 0)) for partition, end in newest.items())

    return lag


def commits(this: Run) -> None:
    """Wait until the sink has committed what is in the topic now."""
    lag = _lag(this)
    wait_until(
        lambda: lag() == 0,
        what="the sink to have committed all of them",
        timeout=TIMEOUT_S,
        interval=1,
        last_seen=lambda: f"{lag()} records behind",
        clock=this.plan.clock,
    )
