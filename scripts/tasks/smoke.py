"""The task that proves messages get through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from collections.abc import Callable

    from invoke import Context

    from backbone.stack.engine import Stack

RECORDS = 300


@command(
    help={
        "engine": "docker, embedded or auto",
        "bootstrap": "HOST:PORT[,…] of another cluster: only a topic of its own is written to, no broker restarts",
        "command_config": COMMAND_CONFIG_HELP,
        "records": f"how many to send (default {RECORDS})",
        "restart": "restart a partition leader in the middle (--no-restart: don't)",
        "report": "also keep it below results/smoke, with a page to look at",
        "json": "print the verdict as JSON",
        "junit": "also write it as JUnit XML to this file",
    }
)
def smoke(
    c: Context,
    engine: str | None = None,
    bootstrap: str | None = None,
    command_config: str = "",
    records: int = RECORDS,
    restart: bool = True,
    report: bool = False,
    json: bool = False,
    junit: str | None = None,
) -> ExitCode:
    """Send and read back real messages, restart a leader in between, compare every field.

    Exit code 0: all is as it was sent; 1: something is lost, altered or rejected; 3: not all could be looked at.
    """
    from backbone import console, report_file
    from backbone.stack import leftovers
    from backbone.stack import smoke as library
    from backbone.stack.settings import Settings

    from . import results, targets

    if records < 1:
        raise StackError("bad-count", "--records is a number from 1", exit_code=ExitCode.USAGE)
    ledger = targets.ledger()
    if theirs := targets.remote(bootstrap, command_config):
        name = "remote"
        plan = library.Plan(theirs, records, None, ledger=ledger, events=False)
    else:
        stack = targets.running(engine)
        name = stack.engine.name
        restarter = _restarter(stack) if restart else None
        plan = library.Plan(targets.own_brokers(stack), records, restarter, ledger=ledger)
    leftovers.clear(ledger, console.say)
    verdict = library.run(plan)
    if junit:
        report_file.write(Path(junit), verdict.junit())
    if report:
        console.say(f"report: {results.keep(Settings(), verdict, name, {})}")
    if json:
        console.print_json(verdict.as_dict())
    else:
        console.write_lines(verdict.lines())
    return verdict.exit_code


def _restarter(stack: Stack) -> Callable[[int], None]:
    from backbone import console
    from backbone.stack import lifecycle

    services = {int(stack.model[name].environment["KAFKA_NODE_ID"]): name for name in stack.brokers}

    def restart(broker: int) -> None:
        lifecycle.restart(stack, services[broker], timeout=120, progress=console.say, watch=lambda _: None)

    return restart
