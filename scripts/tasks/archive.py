"""The task that proves events land in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from invoke.context import Context

    from backbone.errors import ExitCode
    from backbone.events.archive.plan import Plan
    from backbone.stack.engine import Stack

TOPIC = "events-topic"
CONNECTOR = "postgres-archive"
_PROFILES = ("messaging", "data")
_RESTART_TIMEOUT_S = 120


@command(
    help={
        "events": "how many events to send and compare",
        "restart": "restart a broker, Kafka Connect and PostgreSQL under load (--no-restart: don't)",
        "keep": "leave the rows of this run in the table",
        "engine": "docker, embedded or auto",
        "json": "print verdict and figures as one JSON document",
        "junit": "also write the verdict as JUnit XML to this file",
    }
)
def archive(
    _c: Context,
    *,
    events: int = 2000,
    restart: bool = True,
    keep: bool = False,
    engine: str | None = None,
    json: bool = False,
    junit: str | None = None,
) -> ExitCode:
    """Send events by contract, find each of them in PostgreSQL, and break what may break in between.

    Wants a running stack with the contracts applied: ./invoke up --profile messaging --profile data, then
    ./invoke contracts apply. Verdict and figures are kept below results/.

    Exit code 0: all is where it belongs; 1: something is missing or changed; 3: not all could be looked at.
    """
    from pathlib import Path

    from backbone import console, report_file
    from backbone.events.archive.run import run

    from . import results, targets

    stack = targets.stack(_PROFILES, engine, quiet=json)
    plan = _plan(stack, count=events, restart=_restarter(targets.running(engine)) if restart else None, keep=keep)
    verdict, figures = run(plan)
    kept = results.keep(stack.settings, verdict, stack.engine.name, figures)
    if junit:
        report_file.write(Path(junit), verdict.junit())
    if json:
        console.print_json({**verdict.as_dict(), "figures": figures})
    else:
        console.write_lines(verdict.lines())
        console.say(f"report: {kept}")
    return verdict.exit_code


def _plan(stack: Stack, *, count: int, restart: Callable[[str], None] | None, keep: bool) -> Plan:
    from backbone import console
    from backbone.errors import ExitCode, StackError
    from backbone.events.archive import database
    from backbone.events.archive.plan import Plan
    from backbone.events.connectors import files
    from backbone.events.connectors.worker import of_stack

    from . import contracts, targets

    settings = stack.settings
    if count < 1:
        raise StackError("bad-count", "--events is a number from 1", exit_code=ExitCode.USAGE)
    contract = contracts.load(settings).for_topic(TOPIC)
    if contract is None:
        raise StackError("no-contract", f"{TOPIC} has no contract", exit_code=ExitCode.USAGE)
    known = files.load(settings.root / files.FOLDER, files.SCHEMA_FILE)
    (connector,) = files.select(known, [CONNECTOR])
    return Plan(
        bootstrap=targets.own_brokers(stack),
        contract=contract,
        registry=contracts.open_registry(settings),
        worker=of_stack(stack.model),
        connector=connector,
        connectors=known,
        database=database.of_stack(stack.model, connector.config["collection.name.format"]),
        count=count,
        restart=restart,
        brokers={int(stack.model[name].environment["KAFKA_NODE_ID"]): name for name in stack.brokers},
        keep=keep,
        ledger=targets.ledger(),
        tell=console.say,
    )


def _restarter(stack: Stack) -> Callable[[str], None]:
    from backbone import console
    from backbone.stack import lifecycle

    def restart(service: str) -> None:
        lifecycle.restart(stack, service, timeout=_RESTART_TIMEOUT_S, progress=console.say, watch=lambda _: None)

    return restart
