"""Starting and stopping a stack on any engine, one task at a time, and waiting until it is truly ready."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from backbone.errors import ExitCode, StackError
from backbone.stack import health
from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.stack.engine.base import Progress, ServiceState, Stack
    from backbone.stack.settings import Settings

_POLL_S = 0.1
_DEAD = ("exited",)
_ALIVE = ("starting", "running", "paused")


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


@contextmanager
def exclusive(settings: Settings, progress: Progress) -> Iterator[None]:
    """Hold the checkout's lock: tasks that start or stop something wait for each other."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.state_dir / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("another task is starting or stopping this stack; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def up(
    stack: Stack, *, timeout: float, progress: Progress, watch: Watcher, wait: bool = True, clock: Clock = CLOCK
) -> Snapshot:
    """Start what doesn't run and wait until all is ready; a stack that already is costs one look.

    Raises StackError("service-died") with the guilty log lines as soon as a process ends, "not-ready" after
    `timeout` seconds. Ctrl-C stops what this call has started and nothing else.
    """
    names = list(stack.model.services)
    if not names:
        raise StackError("nothing-to-start", "no service is in the chosen profiles", exit_code=ExitCode.NOTHING)
    with exclusive(stack.settings, progress):
        before = {state.name for state in stack.engine.states(names) if state.phase in _ALIVE}
        stack.engine.preflight(names)
        try:
            return _start(stack, timeout=timeout, progress=progress, watch=watch, wait=wait, clock=clock)
        except KeyboardInterrupt:
            progress("interrupted; stopping what was started")
            stack.engine.stop([name for name in names if name not in before], progress)
            raise


def _start(stack: Stack, *, timeout: float, progress: Progress, watch: Watcher, wait: bool, clock: Clock) -> Snapshot:
    """Start wave after wave, each when all before it are ready; all at once for somebody who does not wait."""
    began = clock.now()
    names = list(stack.model.services)
    if not wait:
        stack.engine.start(names, progress)
        return look(stack, 0.0)
    started: set[str] = set()
    for wave in stack.engine.waves(names):
        started |= set(wave)
        stack.engine.start(wave, progress)
        part = replace(stack, model=stack.model.only(started))
        snapshot = wait_ready(part, timeout=timeout, watch=watch, clock=clock, began=began)
    return snapshot


def beside(stack: Stack) -> list[str]:
    """Return what runs of this checkout and is in none of the stack's profiles: an `up` of fewer profiles leaves it."""
    return [s.name for s in stack.engine.states() if s.phase in _ALIVE and s.name not in stack.model.services]


def down(stack: Stack, progress: Progress) -> None:
    """Stop everything of the stack; the data stays."""
    with exclusive(stack.settings, progress):
        stack.engine.stop(list(stack.model.services), progress)


def restart(
    stack: Stack, service: str, *, timeout: float, progress: Progress, watch: Watcher, clock: Clock = CLOCK
) -> Snapshot:
    """Stop one service in order, start it again and wait until the stack is whole."""
    stack.model[service]
    with exclusive(stack.settings, progress):
        stack.engine.stop([service], progress)
        stack.engine.start([service], progress)
        return wait_ready(stack, timeout=timeout, watch=watch, clock=clock)


def nuke(stack: Stack, progress: Progress) -> None:
    """Stop everything and remove all data of the stack."""
    with exclusive(stack.settings, progress):
        stack.engine.stop(list(stack.model.services), progress)
        stack.engine.remove_data(progress)


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
                context="\n".join(
                    f"{state.name}: {state.phase} {state.health} {state.detail}" for state in snapshot.states
                ),
                hint="./invoke status; ./invoke logs SERVICE   # or wait longer: ./invoke up --timeout 300",
                exit_code=ExitCode.TIMEOUT,
            )
        clock.sleep(_POLL_S)


def look(stack: Stack, waited: float) -> Snapshot:
    """Take one look: the engine's view of each service, and, once the brokers answer, their own view."""
    states = tuple(stack.engine.states(list(stack.model.services)))
    if not stack.brokers:
        return Snapshot(states, "", waited)
    answering = [state for state in states if state.name in stack.brokers and state.health == "healthy"]
    if len(answering) < len(stack.brokers):
        return Snapshot(states, f"{len(answering)} of {len(stack.brokers)} brokers answer", waited)
    found = health.probe(stack.bootstrap)
    return Snapshot(states, found.missing(len(stack.brokers)) if found else "no broker answers", waited)


def _fail_fast(stack: Stack, states: Sequence[ServiceState]) -> None:
    for state in states:
        if state.phase in _DEAD:
            raise StackError(
                "service-died",
                f"{state.name} ended while the stack was starting"
                + (f" (exit code {state.exit_code})" if state.exit_code is not None else ""),
                context=stack.engine.failure(state.name),
                hint=f"./invoke logs {state.name} --tail 200",
                exit_code=ExitCode.ENVIRONMENT,
            )
