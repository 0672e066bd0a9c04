"""The upgrade itself: one node after another, each whole before the next, and a stop at the first doubt."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.snapshots import operations
from backbone.stack import kafka_versions, lifecycle, readiness
from backbone.stack.settings import assign
from backbone.upgrade import survey
from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from backbone.stack.engine.base import Progress, Stack
    from backbone.stack.readiness import Watcher
    from backbone.upgrade.survey import Node, Survey

    Open = Callable[[Collection[str]], Stack]
    """Opens the stack of this checkout with some services as the files say now, the others as they run."""

_ITS_OWN = frozenset({"jars", "image", "x-embedded", kafka_versions.VARIABLE})
"""What differs between a broker and the files because of the version alone."""

_SETTLE_S = 15.0


@dataclass(frozen=True, slots=True)
class Step:
    """A node that has changed its version: seconds from its stop until the stack was whole again."""

    node: str
    before: str
    after: str
    seconds: float


def whole(opened: Stack) -> Stack:
    """Return a stack of what was started and of every broker: one that a killed task has left stopped is one too."""
    started = {state.name for state in opened.engine.states() if state.phase not in {"stopped", "unavailable"}}
    return replace(opened, model=opened.model.only(started | set(opened.brokers)))


def settle(stack: Stack, watch: Watcher) -> None:
    """Give a stack that a killed task has just left the time to become whole; one that does not is a doubt later."""
    with suppress(StackError):
        readiness.wait_ready(stack, timeout=_SETTLE_S, watch=watch)


def doubts(stack: Stack, found: Survey, target: str) -> Iterator[tuple[str, str]]:
    """Yield what speaks against the next step of an upgrade: in words, and the command that helps."""
    if kafka_versions.VARIABLE in os.environ:
        yield f"{kafka_versions.VARIABLE} of this shell hides what .env says", f"unset {kafka_versions.VARIABLE}"
    # On the way back the others run what they ran; and what keeps a node from answering is not kept either.
    behind = {node.name for node in found.behind(target) if node.features}
    for name, keys in stack.engine.outdated().items():
        if name in behind and (others := [key for key in keys if key not in _ITS_OWN]):
            words = f"{name} runs with an older configuration ({', '.join(others)}), which would change in passing"
            yield words, f"./invoke restart {name} --renew"
    silent = [node.name for node in found.nodes if node.features is None]
    if silent[1:]:
        yield f"{', '.join(silent)} do not answer", "./invoke up"
    view = readiness.look(stack, 0.0)
    if not silent and not view.ready:
        sick = [state.name for state in view.states if state.health != "healthy" and state.phase != "unavailable"]
        yield view.missing or f"not healthy: {', '.join(sick)}", "./invoke doctor"
    if kafka_versions.numbers(kafka_versions.minor(target)) < kafka_versions.numbers(found.finalized_release):
        yield f"the data is finalised at Kafka {found.finalized_release}; {target} refuses it", "./invoke snapshot list"


def demand_no_doubt(stack: Stack, found: Survey, target: str) -> None:
    """Raise StackError("upgrade-refused") with every doubt."""
    if against := list(doubts(stack, found, target)):
        raise StackError(
            "upgrade-refused",
            f"nothing was restarted: {against[0][0]}",
            context="\n".join(words for words, _ in against[1:]),
            hint="\n".join(dict.fromkeys(command for _, command in against)),
            exit_code=ExitCode.FINDINGS,
        )


def save(opened: Stack, target: str, *, timeout: float, progress: Progress, watch: Watcher) -> str:
    """Save a snapshot of everything before the first node changes, and return its name: before-4.4.0, …-2, ….

    opened: with every profile. It is the only way back once the upgrade is finalised.
    """
    taken = set(operations.of(opened.settings).names())
    numbered = (f"before-{target}" + (f"-{count}" if count > 1 else "") for count in range(1, len(taken) + 2))
    name = next(name for name in numbered if name not in taken)
    operations.save(opened, name, timeout=timeout, progress=progress, watch=watch)
    return name


def nodes(
    open_stack: Open,
    target: str,
    *,
    timeout: float,
    progress: Progress,
    watch: Watcher,
    look: Callable[[Stack], Survey] = survey.of,
    clock: Clock = CLOCK,
) -> Iterator[Step]:
    """Write a version into .env and restart each broker that does not run it, yielding each that has come back whole.

    timeout: seconds for each node. look: how a stack's brokers are asked. Raises StackError("upgrade-stopped") at the
    first node that does not, with the nodes after it untouched.
    """
    for node in begin(open_stack, target, look=look):
        yield change(open_stack, node, target, timeout=timeout, progress=progress, watch=watch, look=look, clock=clock)


def begin(open_stack: Open, target: str, *, look: Callable[[Stack], Survey] = survey.of) -> tuple[Node, ...]:
    """Write a version into .env and return the nodes that do not run it, in the order in which to restart them."""
    assign(open_stack(()).settings.env_file, {kafka_versions.VARIABLE: target})
    return look(whole(open_stack(()))).behind(target)


def change(
    open_stack: Open,
    node: Node,
    target: str,
    *,
    timeout: float,
    progress: Progress,
    watch: Watcher,
    look: Callable[[Stack], Survey] = survey.of,
    clock: Clock = CLOCK,
) -> Step:
    """Restart one node with the version of .env, which is `target`. Raises StackError("upgrade-stopped")."""
    stack = whole(open_stack([node.name]))
    progress(f"{node.name}: {node.words} → {target}")
    began = clock.now()
    try:
        lifecycle.restart(stack, node.name, timeout=timeout, progress=progress, watch=watch, renew=True, clock=clock)
        now = next(each for each in look(stack).nodes if each.name == node.name)
        if not survey.runs(now, target):
            raise StackError("other-version", f"it came back with {now.words}", exit_code=ExitCode.FINDINGS)
    except StackError as error:
        raise _stopped(node.name, target, error) from error
    return Step(node.name, node.words, target, round(clock.now() - began, 1))


def _stopped(node: str, target: str, error: StackError) -> StackError:
    return StackError(
        "upgrade-stopped",
        f"{node} is not well with Kafka {target}: {error.message}",
        context=error.context,
        hint=f"the nodes after it were not touched; back\n./invoke upgrade --back\n"
        f"or mend it and go on\n./invoke upgrade --to {target}",
        exit_code=ExitCode.FINDINGS,
    )
