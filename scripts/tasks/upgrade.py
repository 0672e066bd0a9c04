"""The tasks that bring the brokers to another Kafka version, finalise it, and lead back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command
from .failover import EXIT
from .snapshot import confirmed
from .stack import COMMAND_CONFIG_HELP, ENGINE_HELP, TIMEOUT_S, show

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from invoke import Context

    from backbone.stack.engine import Stack
    from backbone.upgrade.rehearsal import Claim
    from backbone.upgrade.survey import Survey


@command(
    actions={"versions": ()},
    help={
        "action": "versions: known, running, finalised",
        "bootstrap": "HOST:PORT[,…] of another cluster, which is only asked",
        "command_config": COMMAND_CONFIG_HELP,
        "engine": ENGINE_HELP,
        "json": "print JSON",
    },
)
def kafka(
    c: Context,
    action: str,
    bootstrap: str = "",
    command_config: str = "",
    engine: str | None = None,
    json: bool = False,
) -> None:
    """Show the Kafka versions that can run here, the one that each broker runs, and what the data is finalised at.

    What is finalised and what could be raised is the plan of an upgrade: of another cluster too, with --bootstrap.
    """
    from backbone import console
    from backbone.stack import kafka_versions
    from backbone.stack.settings import Settings
    from backbone.upgrade import roll, survey

    from . import targets

    theirs = targets.remote(bootstrap, command_config)
    known = kafka_versions.known(Settings())
    stack = None if theirs else roll.whole(targets.everything(engine))
    found = survey.of(stack) if stack else survey.elsewhere(theirs)
    if json:
        value = {"known": list(known), **_standing(found)}
        console.print_json(
            value | {"raisable": {name: {"from": a, "to": b} for name, (a, b) in found.raisable.items()}}
        )
        return
    console.print_table(("BROKER", "RUNS", ""), _rows(found))
    if not stack:
        console.say(_finalized(found, "kafka-features.sh upgrade"))
        return
    console.say(f"known: {', '.join(known)}; the files say {kafka_versions.wanted(stack)}")
    console.say(_finalized(found))


def _rows(found: Survey) -> list[tuple[str, str, str]]:
    return [(node.name, node.words, "controller" if node.name == found.controller else "") for node in found.nodes]


def _standing(found: Survey) -> dict[str, object]:
    return {
        "brokers": [
            {
                "name": node.name,
                "runs": node.words if node.features else None,
                "controller": node.name == found.controller,
            }
            for node in found.nodes
        ],
        "finalized": {"release": found.finalized_release, "levels": dict(found.finalized)},
    }


def _finalized(found: Survey, by: str = "./invoke upgrade --finalize") -> str:
    if not found.raisable:
        return f"finalised: Kafka {found.finalized_release}, all that these brokers support"
    steps = ", ".join(f"{name} {old} → {new}" for name, (old, new) in found.raisable.items())
    return f"finalised: Kafka {found.finalized_release}; {by} would raise {steps}"


@command(
    help={
        "to": "the version, one of `./invoke kafka versions`",
        "back": "to the version before, as long as nothing is finalised",
        "finalize": "raise the data to what the brokers support now; after it only a snapshot leads back",
        "dry_run": "say what would be done, and what speaks against it; change nothing",
        "no_snapshot": "to: save no snapshot first",
        "rehearse": "to: on a clone of a snapshot's data beside the stack, there, back and finalised, all under load",
        "snapshot": "rehearse: on this one (default: the newest)",
        "bootstrap": "to: only a plan for another cluster, HOST:PORT[,…], which is asked and not changed",
        "command_config": COMMAND_CONFIG_HELP,
        "json": "rehearse, bootstrap: print JSON",
        "yes": "don't ask",
        "timeout": f"seconds to wait for each node to be whole again (default {TIMEOUT_S})",
        "engine": ENGINE_HELP,
    }
)
def upgrade(
    c: Context,
    to: str = "",
    back: bool = False,
    finalize: bool = False,
    dry_run: bool = False,
    no_snapshot: bool = False,
    rehearse: bool = False,
    snapshot: str = "",
    bootstrap: str = "",
    command_config: str = "",
    yes: bool = False,
    timeout: int = TIMEOUT_S,
    engine: str | None = None,
    json: bool = False,
) -> ExitCode:
    """Bring the brokers to another Kafka version, node by node while clients go on; finalise it, or go back.

    It stops at the first node that does not come back whole. Killed anywhere, the same command goes on.
    """
    from backbone import console
    from backbone.stack import kafka_versions
    from backbone.upgrade import roll, survey

    from . import targets

    _refuse_nonsense(to=to, back=back, finalize=finalize, only_to=rehearse or bool(bootstrap or command_config))
    if theirs := targets.remote(bootstrap, command_config):
        return _plan(theirs, to, as_json=json)
    if rehearse:
        return _rehearse(to, snapshot, timeout=timeout, as_json=json)
    stack = roll.whole(targets.everything(engine))
    if to:
        kafka_versions.demand(stack.settings, to)
    with console.Waiting(timeout) as waiting:
        roll.settle(stack, partial(show, waiting))
    found = survey.of(stack)
    if finalize:
        _finalize(stack, found, dry_run=dry_run, yes=yes)
    else:
        _roll(found, to, dry_run=dry_run, no_snapshot=no_snapshot, yes=yes, timeout=timeout, engine=engine)
    return ExitCode.OK


def _refuse_nonsense(*, to: str, back: bool, finalize: bool, only_to: bool) -> None:
    if [bool(to), back, finalize].count(True) != 1:
        raise StackError(
            "which-way",
            "say one of --to VERSION, --back and --finalize",
            hint="./invoke kafka versions",
            exit_code=ExitCode.USAGE,
        )
    if only_to and not to:
        raise StackError("usage", "--rehearse and --bootstrap go with --to VERSION", exit_code=ExitCode.USAGE)


def _roll(
    found: Survey, to: str, *, dry_run: bool, no_snapshot: bool, yes: bool, timeout: int, engine: str | None
) -> None:
    """Bring every node to a version, or back."""
    from backbone import console
    from backbone.snapshots import operations
    from backbone.stack import kafka_versions
    from backbone.upgrade import roll, survey

    from . import targets

    def open_stack(renewed: Collection[str] = ()) -> Stack:
        return targets.everything(engine, renewed=renewed)

    opened = open_stack()
    stack = roll.whole(opened)
    wanted = kafka_versions.wanted(stack)
    target = to or survey.previous(found, kafka_versions.known(stack.settings), wanted)
    if not (behind := found.behind(target)):
        if wanted != target and not dry_run:
            roll.begin(open_stack, target)
            console.say(f".env says Kafka {target} now, and no longer {wanted}")
        console.say(f"every broker runs Kafka {target} already; {_finalized(found)}")
        return
    console.say(f"to Kafka {target}: {', then '.join(node.name for node in behind)}")
    roll.demand_no_doubt(stack, found, target)
    first = to and not any(survey.runs(node, target) for node in found.nodes)
    keeps = first and not no_snapshot
    if keeps:
        operations.demand_room(opened)
        console.say("first a snapshot of everything; the stack is stopped for it and started again")
    if dry_run:
        return
    confirmed("begin?", _again(to, no_snapshot=no_snapshot), yes=yes)
    with console.Waiting(timeout) as waiting:
        watch = partial(show, waiting)
        if keeps:
            console.say(f"saved: {roll.save(opened, target, timeout=timeout, progress=console.say, watch=watch)}")
        steps = roll.nodes(open_stack, target, timeout=timeout, progress=console.say, watch=watch)
        for step in steps:
            console.say(f"{step.node} runs Kafka {step.after}, whole again after {step.seconds} s")
    console.say(_finalized(survey.of(roll.whole(open_stack()))))


def _plan(theirs: Sequence[str], to: str, *, as_json: bool) -> ExitCode:
    """Say how a cluster that is not ours would be upgraded; it is only asked."""
    from backbone import console
    from backbone.upgrade import plan

    made = plan.make(theirs, to)
    if as_json:
        console.print_json(
            {"to": to, **_standing(made.found), "order": made.order, "against": made.against, "noticed": made.noticed}
        )
        return ExitCode.FINDINGS if made.against else ExitCode.OK
    console.print_table(("BROKER", "RUNS", ""), _rows(made.found))
    console.say(f"finalised: Kafka {made.found.finalized_release}")
    for words in made.against:
        console.say(f"[red]against it[/]: {words}")
    for words in made.noticed:
        console.say(f"to be noticed: {words}")
    if made.order:
        console.say(
            f"to Kafka {to}, each whole before the next: {', then '.join(made.order)}; finalise after all run it"
        )
    else:
        console.say(f"every broker runs Kafka {to} or its release already")
    return ExitCode.FINDINGS if made.against else ExitCode.OK


def _rehearse(to: str, snapshot: str, *, timeout: int, as_json: bool) -> ExitCode:
    """Rehearse on a clone; the stack itself is not touched."""
    import time

    from backbone import console, resources
    from backbone.failover import report
    from backbone.failover.campaign import Campaign
    from backbone.snapshots import operations
    from backbone.stack import kafka_versions
    from backbone.stack.settings import Settings
    from backbone.upgrade import clone, rehearsal

    settings = Settings()
    kafka_versions.demand(settings, to)
    manifest = rehearsal.choose(operations.of(settings), snapshot, to)
    folder = settings.results_dir / "failover" / time.strftime("%Y%m%d-%H%M%S")
    with (
        clone.beside(settings, manifest, console.download, console.say) as made,
        console.Waiting(timeout) as waiting,
    ):
        going = rehearsal.Rehearsal(made, to, timeout, console.say, partial(show, waiting))
        done = rehearsal.conduct(going, Campaign(folder, console.say))
    page = report.write(done, folder, resources.schema("failover-report.schema.json"))
    if as_json:
        console.print_json(done)
    else:
        _tell(done, going.claims)
        console.say(f"report: {page}")
    return EXIT[done["verdict"]] if all(each.holds for each in going.claims) else ExitCode.FINDINGS


def _tell(report: Mapping[str, Any], claims: Collection[Claim]) -> None:
    """Print how long clients waited at each restart, and what was seen to be true."""
    from backbone import console
    from backbone.failover.page import headline

    faults = [fault for run in report["runs"] for fault in run["faults"]]
    rows = [
        (each["target"], each["hit"], round(each["write_stall_ms"]), round(each["read_stall_ms"])) for each in faults
    ]
    console.print_table(("RESTART", "HIT", "NO WRITES MS", "NO READS MS"), rows)
    console.print_table(("CLAIM", "", "SEEN"), [(one.what, "yes" if one.holds else "NO", one.seen) for one in claims])
    console.say(headline(report))


def _again(to: str, *, no_snapshot: bool) -> str:
    way = f"--to {to}" if to else "--back"
    return f"./invoke upgrade {way}{' --no-snapshot' if no_snapshot else ''} --yes"


def _finalize(stack: Stack, found: Survey, *, dry_run: bool, yes: bool) -> None:
    from backbone import console
    from backbone.upgrade import features

    if found.releases[1:] or any(node.features is None for node in found.nodes):
        raise StackError(
            "mixed-versions",
            "the brokers do not all run the same version: "
            + ", ".join(f"{node.name} {node.words}" for node in found.nodes),
            hint=f"./invoke upgrade --to {max(node.version for node in found.nodes) or 'VERSION'}",
            exit_code=ExitCode.FINDINGS,
        )
    if not found.raisable:
        console.say(_finalized(found))
        return
    for name, (old, new) in found.raisable.items():
        console.say(f"{name} {old} → {new}: {features.EFFECTS.get(name, 'see the notes of the release')}")
    if dry_run:
        return
    confirmed("finalise?", "./invoke upgrade --finalize --yes", yes=yes)
    features.finalize(stack.bootstrap, {name: new for name, (_, new) in found.raisable.items()})
    console.say("finalised; from here only a snapshot leads back")
