"""Kafka Connect's connectors: what git says, what runs, and why something does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from backbone.errors import ExitCode
    from backbone.events.connectors.deployment import Change
    from backbone.events.connectors.files import Connector
    from backbone.events.connectors.worker import State, Worker
    from backbone.events.dead_letters import Waiting
    from backbone.stack.engine import Stack
    from backbone.stack.settings import Settings

_START_TIMEOUT_S = 60


@command(
    actions={"plan": (), "apply": (), "status": (), "restart": (), "skip": ()},
    iterable=["name"],
    help={
        "action": "plan | apply | status | restart | skip",
        "name": "one connector, also an optional one; repeatable. Default: all that are not optional",
        "connect": "URL of a worker; default: the one of this stack",
        "connect_user": "with --connect: a file that says USER:PASSWORD",
        "at": "skip: the record, TOPIC-PARTITION@OFFSET; default: the one that the connector says it failed at",
        "yes": "skip: do it; without it, say what would be done",
        "json": "print one JSON document on stdout",
    },
)
def connectors(
    _c: Context,
    action: str,
    *,
    name: list[str] | None = None,
    connect: str = "",
    connect_user: str = "",
    at: str = "",
    yes: bool = False,
    json: bool = False,
) -> ExitCode | None:
    """Kafka Connect's connectors in infra/05-messaging/connect/connectors.

    plan exits 1 while apply would change something, and says what the plugins refuse. status names the first cause
    of what failed, the record it failed at and the remedy, and exits 1; it tells what waits among the dead letters.
    restart restarts connector and tasks. skip copies the record that a sink failed at to the dead letters and lets the
    sink go on behind it.
    """
    from backbone.events.connectors import files
    from backbone.stack.settings import Settings

    settings = Settings()
    known = files.load(settings.root / files.FOLDER, files.SCHEMA_FILE)
    wanted = files.select(known, name or [])
    worker = open_worker(settings, connect, connect_user)
    if action == "status":
        return _status(worker, name or [], [] if connect else [each.dead_letters for each in known], json=json)
    if action == "restart":
        return _restart(worker, wanted, json=json)
    if action == "skip":
        return _skip(settings, worker, wanted, at, yes=yes)
    return _plan(worker, wanted, known, make=action == "apply", json=json)


def open_worker(settings: Settings, url: str = "", user_file: str = "") -> Worker:
    """Return the worker at a URL, or that of this stack; no other one is shown this stack's password."""
    from pathlib import Path

    from backbone.events.connectors.worker import Worker, of_stack
    from backbone.stack import endpoints

    if not url:
        return of_stack(endpoints.model(settings))
    return Worker(url.rstrip("/"), Path(user_file) if user_file else None)


def tell_failed(stack: Stack) -> None:
    """Say which connectors have failed, and that PostgreSQL does not run if one needs it; nothing is raised."""
    from rich.markup import escape

    from backbone import console
    from backbone.errors import StackError
    from backbone.events.connectors import deployment, worker
    from backbone.stack import lifecycle, postgres

    runs = postgres.SERVICE in (*stack.model.services, *lifecycle.beside(stack))
    try:
        lacking, failed = deployment.troubles(worker.of_stack(stack.model), database=runs)
    except StackError as error:
        console.print_error(error)
        return
    if lacking:
        console.say(
            f"[bold red]PostgreSQL does not run[/], and without it {escape(', '.join(lacking))} can do nothing: "
            "./invoke up --profile messaging --profile data"
        )
    _verdict(failed)


def _plan(
    worker: Worker, wanted: Sequence[Connector], known: Sequence[Connector], *, make: bool, json: bool
) -> ExitCode | None:
    from backbone.errors import ExitCode
    from backbone.events.connectors import deployment

    if not make:
        deployment.validate(wanted, worker)
        changes = deployment.compare(wanted, known, worker)
        _show(changes, json=json)
        return ExitCode.FINDINGS if any(change.kind != "unknown" for change in changes) else None
    _show(deployment.apply(wanted, known, worker, lambda _: None), json=json)
    names = [connector.name for connector in wanted]
    return _verdict(deployment.wait_running(names, worker, timeout=_START_TIMEOUT_S))


def _restart(worker: Worker, wanted: Sequence[Connector], *, json: bool) -> ExitCode | None:
    from backbone.events.connectors import deployment

    states = deployment.restart([connector.name for connector in wanted], worker, timeout=_START_TIMEOUT_S)
    _render(states, json=json)
    return _verdict(states)


def _skip(settings: Settings, worker: Worker, wanted: Sequence[Connector], at: str, *, yes: bool) -> ExitCode | None:
    from backbone import console
    from backbone.errors import ExitCode, StackError
    from backbone.events import skipping
    from backbone.stack import endpoints

    if len(wanted) != 1 or not wanted[0].dead_letters:
        raise StackError(
            "which-connector",
            "skip takes one sink that has dead letters",
            hint="./invoke connectors status\nthen name one: --name NAME",
            exit_code=ExitCode.USAGE,
        )
    (sink,) = wanted
    letters = str(sink.dead_letters)
    brokers = endpoints.bootstrap(endpoints.model(settings))
    stuck = skipping.find(sink.name, worker, at)
    record = skipping.fetch(brokers, stuck.place)
    what = f"{stuck.place} (key {record.key!r}, {len(record.value or b'')} bytes): {stuck.words}"
    if not yes:
        console.say(f"would go to {letters}, and {sink.name} on behind it:\n{what}\nnothing was done; --yes does it")
        return None
    done = skipping.put_aside(brokers, sink, stuck, worker, timeout=_START_TIMEOUT_S)
    console.say(f"{'skipped, now in ' + letters if done else 'nothing to skip any more'}: {what}")
    return None


def _status(worker: Worker, names: Sequence[str], letters: Sequence[str | None], *, json: bool) -> ExitCode | None:
    from rich.markup import escape

    from backbone import console
    from backbone.errors import ExitCode

    states = [state for name in names or worker.connectors() if (state := worker.state(name))]
    aside = _aside(letters) if states else ()
    _render(states, aside, json=json)
    if not states:
        if not json:
            console.say("no connector runs; ./invoke connectors apply")
        return ExitCode.NOTHING
    for each in aside:
        console.say(escape(f"{each}\n./invoke dead-letters list"))
    return _verdict(states)


def _aside(topics: Sequence[str | None]) -> Sequence[Waiting]:
    """Return what waits in topics of dead letters; nothing where no broker says, for status is about connectors."""
    from backbone.errors import StackError
    from backbone.events import dead_letters
    from backbone.stack import endpoints
    from backbone.stack.settings import Settings

    try:
        return dead_letters.waiting(endpoints.bootstrap(endpoints.model(Settings())), topics)
    except StackError:
        return ()


def _verdict(states: Sequence[State]) -> ExitCode | None:
    """Say why each failed connector failed."""
    from backbone import console
    from backbone.errors import ExitCode, StackError
    from backbone.events.connectors.causes import explain

    failed = [state for state in states if state.failed]
    for state in failed:
        cause = explain(state.first_trace)
        console.print_error(
            StackError("connector-failed", f"{state.name} has failed", context=cause.told, hint=cause.remedy or None)
        )
    return ExitCode.FINDINGS if failed else None


def _render(states: Sequence[State], aside: Sequence[Waiting] = (), *, json: bool) -> None:
    from backbone import console
    from backbone.events.connectors.causes import explain

    if json:
        rows = [
            {
                "name": state.name,
                "state": state.state,
                "tasks": [{"task": task.number, "state": task.state} for task in state.tasks],
                **(explain(state.first_trace)._asdict() if state.failed else {}),
            }
            for state in states
        ]
        letters = [{"topic": topic, "waiting": count, "reason": newest.reason} for topic, count, newest in aside]
        console.print_json({"connectors": rows, **({"dead_letters": letters} if letters else {})})
        return
    rows_ = [
        (state.name, state.kind, state.state, " ".join(f"{task.number}:{task.state}" for task in state.tasks))
        for state in states
    ]
    if rows_:
        console.print_table(("connector", "type", "state", "tasks"), rows_)


def _show(changes: Sequence[Change], *, json: bool) -> None:
    from backbone import console

    if json:
        rows = [{"kind": c.kind, "connector": c.name, "details": list(c.details)} for c in changes]
        console.print_json({"changes": rows})
    elif changes:
        rows_ = [(change.kind, change.name, detail) for change in changes for detail in change.details]
        console.print_table(("change", "connector", "detail"), rows_)
    else:
        console.say("the worker runs what git says")
