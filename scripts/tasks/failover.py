"""Break the cluster on purpose and prove that nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from invoke import Context

    from backbone.failover.campaign import Cluster
    from backbone.failover.plan import Plan

EXIT = {"valid": ExitCode.OK, "invalid": ExitCode.FINDINGS, "unknown": ExitCode.NOTHING}


@command(
    help={
        "quick": "three faults, about a minute: for a pipeline",
        "soak": "random faults for so many hours",
        "plan": "a plan file, or a number: the seed of a random plan",
        "faults": "with --plan SEED: how many",
        "bootstrap": "HOST:PORT of any cluster: only write, read and judge, until Ctrl-C or --seconds",
        "command_config": COMMAND_CONFIG_HELP,
        "seconds": "with --bootstrap: stop after so long",
        "busy": "with --bootstrap: keep every processor of this machine busy meanwhile",
        "rate": "records a second",
        "engine": "auto, docker or embedded",
        "plants": "test the verifier: lose records on purpose, and see that exactly those are reported",
        "keep_history": "keep the journals of valid runs too (others always are)",
        "json": "print the report as JSON",
    }
)
def failover(
    _: Context,
    *,
    quick: bool = False,
    soak: float = 0.0,
    plan: str = "",
    faults: int = 12,
    bootstrap: str = "",
    command_config: str = "",
    seconds: float = 0.0,
    busy: bool = False,
    rate: float = 300.0,
    engine: str = "",
    plants: bool = False,
    keep_history: bool = False,
    json: bool = False,
) -> ExitCode:
    """Break the running cluster by plan and check every record: lost, duplicated, reordered, undelivered."""
    from backbone import console, resources
    from backbone.failover import campaign, report
    from backbone.stack.settings import Settings

    from . import targets

    refuse_nonsense(
        bootstrap or command_config, rate=rate, seconds=seconds, busy=busy, planned=bool(quick or soak or plan)
    )
    settings = Settings()
    folder = settings.results_dir / "failover" / time.strftime("%Y%m%d-%H%M%S")
    theirs = targets.remote(bootstrap, command_config)
    cluster = _cluster(theirs, engine)
    how = campaign.Campaign(folder, lambda text: console.say(f"[dim]{text}[/]"), rate, keep_history=keep_history)
    if plants:
        return _plants(folder, cluster, as_json=json)
    if theirs:
        done = campaign.watch(how, cluster, lambda _: _enough(seconds, busy=busy))
    else:
        done = campaign.conduct(how, cluster, plans(cluster, quick=quick, soak=soak, plan=plan, faults=faults))
    page = report.write(done, folder, resources.schema("failover-report.schema.json"))
    if json:
        console.print_json(done)
    else:
        _show(done, page)
    return EXIT[done["verdict"]]


def refuse_nonsense(bootstrap: str, *, rate: float, seconds: float, busy: bool, planned: bool) -> None:
    """Raise StackError("usage") for flags that would be ignored, or that nothing can be made of."""
    wrong = {
        f"--rate {rate:g} is no rate": rate <= 0,
        f"--seconds {seconds:g} is no time": seconds < 0,
        "--seconds and --busy go with --bootstrap": not bootstrap and (seconds > 0 or busy),
        "--bootstrap breaks nothing itself: it takes no --quick, --soak or --plan": bool(bootstrap) and planned,
    }
    for message in (text for text, found in wrong.items() if found):
        raise StackError("usage", message, exit_code=ExitCode.USAGE)


def _plants(folder: Path, cluster: Cluster, *, as_json: bool) -> ExitCode:
    """Set every plant and print what was found; FINDINGS if the checker missed a loss or made one up."""
    from backbone import console
    from backbone.failover.plants import every_plant

    findings = every_plant(folder, cluster, lambda text: console.say(f"[dim]{text}[/]"))
    columns = ("PLANT", "PLANTED", "REPORTED", "EXACT", "ALSO")
    rows = [
        (one.name, len(one.planted), len(one.reported), one.exact, ", ".join(sorted(one.others))) for one in findings
    ]
    if as_json:
        console.print_json([dict(zip(map(str.lower, columns), row, strict=True)) for row in rows])
    else:
        console.print_table(columns, rows)
    return ExitCode.OK if all(one.exact for one in findings) else ExitCode.FINDINGS


def _cluster(theirs: Sequence[str], engine: str) -> Cluster:
    from backbone import console
    from backbone.failover import campaign
    from backbone.stack import leftovers

    from . import targets

    if theirs:
        return campaign.open_cluster(theirs, None, targets.ledger())
    stack = targets.running(engine or None)
    if not stack.brokers:
        raise StackError(
            "nothing-runs", "there is no cluster to break", hint="./invoke up", exit_code=ExitCode.ENVIRONMENT
        )
    if stack.settings.lite:
        raise StackError(
            "one-node",
            "a stack of one node (STACK_SIZE=lite in .env) has nobody to fail over to",
            hint="beside it, of three nodes\n./invoke up --name three",
            exit_code=ExitCode.USAGE,
        )
    leftovers.clear(targets.ledger(), console.say)
    return campaign.open_cluster(stack.bootstrap, stack, targets.ledger())


def plans(cluster: Cluster, *, quick: bool, soak: float, plan: str, faults: int) -> Iterable[Plan]:
    """Return the plans that the flags ask for; StackError("usage") if they contradict each other."""
    from backbone.failover import campaign
    from backbone.failover.plan import QUICK, STANDARD, generate, read

    if sum((quick, bool(soak), bool(plan))) > 1:
        raise StackError("usage", "--quick, --soak and --plan exclude each other", exit_code=ExitCode.USAGE)
    if soak < 0 or faults < 1:
        raise StackError("usage", "--soak and --faults take what is more than nothing", exit_code=ExitCode.USAGE)
    if soak:
        return campaign.soak(int(time.time()), soak, cluster.needs())
    if plan.isdecimal():
        return (generate(int(plan), faults, cluster.needs()),)
    if plan:
        return (read(Path(plan)),)
    return (QUICK if quick else STANDARD,)


def _enough(seconds: float, *, busy: bool) -> None:
    """Return after so many seconds, or at Ctrl-C. busy: a process for each processor computes meanwhile."""
    from multiprocessing import Process
    from threading import Event

    from backbone import console

    console.say("traffic is on: break the cluster now; Ctrl-C to stop and judge")
    busy_loops = [Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)] if busy else []
    try:
        for one in busy_loops:
            one.start()
        Event().wait(seconds or None)
    except KeyboardInterrupt:
        console.say("stopping")
    finally:
        for one in busy_loops:
            if one.is_alive():
                one.kill()


def _spin() -> None:
    """Compute until killed, or until nobody is left to do that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal's processes; the task ends this one
    parent = os.getppid()
    while os.getppid() == parent:
        pass


def _show(report: Mapping[str, Any], page: Path) -> None:
    from backbone import console
    from backbone.failover.page import headline

    rows = [
        (
            *(kind["kind"], kind["hit"], kind["faults"]),
            *(round(kind["write_stall_ms"][key]) for key in ("p50", "max")),
            *(round(kind["read_stall_ms"][key]) for key in ("p50", "max")),
        )
        for kind in report["kinds"]
    ]
    console.print_table(("FAULT", "HIT", "N", "WRITE P50", "WORST", "READ P50", "WORST"), rows, title="stalls, ms")
    for run in report["runs"]:
        moved = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in run["changes"].items())
        console.say(f"{run['name']}: {moved} while {run['counts']['sent']} records were sent")
        for difference in run["void"]:
            console.say(f"[yellow]its figures are void[/] in {run['name']}: {difference}")
        for doubt in run["doubts"]:
            console.say(f"[yellow]doubt[/] in {run['name']}: {doubt}")
        for found in run["violations"][:10]:
            console.say(f"[red]{found['rule']}[/] partition {found['partition']} {found['subject']}: {found['detail']}")
    console.say(f"[bold]{report['verdict']}[/]: {headline(report)}")
    console.say(f"report: {page}")
