"""The tasks that bring the brokers to another Kafka version, finalise it, and lead back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command
from .snapshot import confirmed
from .stack import COMMAND_CONFIG_HELP, ENGINE_HELP, TIMEOUT_S, show

if TYPE_CHECKING:
    from collections.abc import Collection

    from invoke import Context

    from backbone.stack.engine import Stack
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
    found = survey.elsewhere(theirs) if theirs else survey.of(roll.whole(targets.everything(engine)))
    if json:
        console.print_json(_value(known, found))
        return
    rows = [(node.name, node.words, "controller" if node.name == found.controller else "") for node in found.nodes]
    console.print_table(("BROKER", "RUNS", ""), rows)
    if theirs:
        console.say(_finalized(found, "kafka-features.sh upgrade"))
        return
    console.say(f"known: {', '.join(known)}; new data begins with {Settings().variables()['KAFKA_VERSION']}")
    console.say(_finalized(found))


def _value(known: tuple[str, ...], found: Survey) -> dict[str, object]:
    return {
        "known": list(known),
        "brokers": [
            {
                "name": node.name,
                "runs": node.words if node.features else None,
                "controller": node.name == found.controller,
            }
            for node in found.nodes
        ],
        "finalized": {"release": found.finalized_release, "levels": dict(found.finalized)},
        "raisable": {name: {"from": old, "to": new} for name, (old, new) in found.raisable.items()},
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
    yes: bool = False,
    timeout: int = TIMEOUT_S,
    engine: str | None = None,
) -> None:
    """Bring the brokers to another Kafka version, node by node while clients go on; finalise it, or go back.

    It stops at the first node that does not come back whole. Killed anywhere, the same command goes on.
    """
    from backbone import console
    from backbone.stack import kafka_versions
    from backbone.upgrade import roll, survey

    from . import targets

    if [bool(to), back, finalize].count(True) != 1:
        raise StackError(
            "which-way",
            "say one of --to VERSION, --back and --finalize",
            hint="./invoke kafka versions",
            exit_code=ExitCode.USAGE,
        )

    def open_stack(renewed: Collection[str] = ()) -> Stack:
        return targets.everything(engine, renewed=renewed)

    opened = open_stack()
    stack = roll.whole(opened)
    if to:
        kafka_versions.demand(stack.settings, to)
    found = survey.of(stack)
    if finalize:
        _finalize(stack, found, dry_run=dry_run, yes=yes)
        return
    target = to or survey.previous(found, kafka_versions.known(stack.settings))
    if not (behind := found.behind(target)):
        console.say(f"every broker runs Kafka {target} already; {_finalized(found)}")
        return
    console.say(f"to Kafka {target}: {', then '.join(node.name for node in behind)}")
    roll.demand_no_doubt(stack, found, target)
    first = to and not any(survey.runs(node, target) for node in found.nodes)
    keeps = first and not no_snapshot
    if keeps:
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
