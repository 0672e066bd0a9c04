"""When a stack is ready: what its engine sees, what the cluster says, and the wait for both to agree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from backbone.errors import ExitCode, StackError
from backbone.stack import health
from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.stack.engine.base import ServiceState, Stack
    from backbone.stack.health import ClusterHealth

_POLL_S = 0.1
_TELLING_LINES = 3
_FENCED = "the cluster does not count it as alive"
_STRANDED = "no broker lives"
DEAD = ("exited",)
ALIVE = ("starting", "running", "paused")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stack at one moment of the wait. waited in seconds; missing says what the cluster lacks, "" when ready."""

    states: tuple[ServiceState, ...]
    missing: str
    waited: float

    @property
    def ready(self) -> bool:
        """True when every service that this engine can run is healthy and the cluster is whole."""
        return not self.missing and all(
            state.health == "healthy" for state in self.states if state.phase != "unavailable"
        )


class Watcher(Protocol):
    """Shows each snapshot of a wait to somebody."""

    def __call__(self, snapshot: Snapshot) -> None:
        """Show one."""


def wait_ready(
    stack: Stack,
    *,
    timeout: float,
    watch: Watcher,
    clock: Clock = CLOCK,
    began: float | None = None,
) -> Snapshot:
    """Look until the stack is ready and every advertised address really takes connections.

    The time counts from `began`, else from now.
    """
    started = clock.now() if began is None else began
    while True:
        snapshot = look(stack, clock.now() - started)
        if snapshot.ready and (cut := stack.engine.unreachable(stack.model)):
            snapshot = replace(snapshot, missing=cut[0])
        watch(snapshot)
        if snapshot.ready:
            return snapshot
        _fail_fast(stack, snapshot.states)
        if snapshot.waited >= timeout:
            raise StackError(
                "not-ready",
                f"the stack was not ready after {timeout:g} s: {snapshot.missing or 'services not healthy'}",
                context="\n".join(_evidence(stack, snapshot.states)),
                hint="./invoke status\n./invoke doctor\nor wait longer\n./invoke up --timeout 300",
                exit_code=ExitCode.TIMEOUT,
            )
        clock.sleep(_POLL_S)


def _evidence(stack: Stack, states: Sequence[ServiceState]) -> Iterator[str]:
    """Yield the state of each service, and under one that runs and is not healthy what its log says."""
    for state in states:
        yield f"{state.name}: {state.phase} {state.health} {state.detail}".rstrip()
        if state.phase in ("starting", "running") and state.health != "healthy":
            yield from (f"  {line}" for line in stack.engine.failure(state.name).splitlines()[:_TELLING_LINES])


def look(stack: Stack, waited: float) -> Snapshot:
    """Take one look: the engine's view of each service, and, once all brokers answer, their own view."""
    states = stack.engine.states(list(stack.model.services))
    if not stack.brokers:
        return Snapshot(tuple(states), "", waited)
    answering = [state for state in states if state.name in stack.brokers and state.health == "healthy"]
    if len(answering) < len(stack.brokers):
        words = f"{len(answering)} of {len(stack.brokers)} brokers answer"
        return Snapshot(_judged(stack, states, None), words, waited)
    found = health.probe(stack.bootstrap)
    if found is None:
        stack.engine.let_in()
    words = found.missing(len(stack.brokers)) if found else "no broker answers"
    return Snapshot(_judged(stack, states, found), words, waited)


def survey(stack: Stack) -> tuple[tuple[ServiceState, ...], ClusterHealth | None]:
    """Return the services of a stack, each judged by what the cluster says too, and the cluster's own view.

    The cluster is None while no broker answers.
    """
    names = list(stack.model.services)
    everything = names == list(stack.engine.model.services)
    older = stack.engine.outdated()
    states = [
        replace(state, outdated=tuple(older.get(state.name, ())))
        for state in stack.engine.states(None if everything else names)
    ]
    found = None
    if any(state.name in stack.brokers and state.health == "healthy" for state in states):
        found = health.probe(stack.bootstrap)
    return _judged(stack, states, found), found


def _judged(stack: Stack, states: Sequence[ServiceState], cluster: ClusterHealth | None) -> tuple[ServiceState, ...]:
    """Correct what an engine takes for healthy.

    The port of a broker can be open though the cluster has fenced it, and a registry goes on answering from memory when
    no broker is left.
    """
    answering = {state.name for state in states if state.name in stack.brokers and state.health == "healthy"}
    fenced = {name for name in answering if cluster and _node(stack, name) not in cluster.brokers}
    stranded = set() if answering - fenced else on_brokers(stack)
    return tuple(
        replace(state, phase="starting", health="starting", detail=_FENCED)
        if state.name in fenced
        else replace(state, health="unhealthy", detail=_STRANDED)
        if state.name in stranded and state.health == "healthy"
        else state
        for state in states
    )


def _node(stack: Stack, broker: str) -> int:
    return int(stack.model[broker].environment["KAFKA_NODE_ID"])


def on_brokers(stack: Stack) -> set[str]:
    """Return the services that can do nothing without a broker, by what they depend on in the Compose files."""
    found = set(stack.brokers)
    while more := {
        name for name, one in stack.model.services.items() if name not in found and found & one.depends_on.keys()
    }:
        found |= more
    return found - stack.brokers.keys()


def _fail_fast(stack: Stack, states: Sequence[ServiceState]) -> None:
    for state in states:
        if state.data_gone:
            raise data_gone(state)
        if state.phase in DEAD:
            raise StackError(
                "service-died",
                f"{state.name} ended while the stack was starting"
                + (f" (exit code {state.exit_code})" if state.exit_code is not None else ""),
                context=stack.engine.failure(state.name),
                hint=f"./invoke logs {state.name} --tail 200",
                exit_code=ExitCode.ENVIRONMENT,
            )


def data_gone(state: ServiceState) -> StackError:
    """Return the error for a service that runs and has lost the folder of its data."""
    return StackError(
        "data-gone",
        f"{state.name} runs, but {state.detail}",
        hint="put the folder back; or, where the whole home was moved\n./invoke down\n./invoke up\n"
        "or go on without it: a broker copies its partitions from the others\n"
        f"./invoke restart {state.name}",
        exit_code=ExitCode.ENVIRONMENT,
    )
