"""Starting and stopping a stack on any engine, one task at a time, and waiting until it is truly ready."""

from __future__ import annotations

import shlex
import signal
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from filelock import Timeout

from backbone.errors import ExitCode, StackError
from backbone.file_lock import shared_with_helpers
from backbone.stack import admission, exposure, secure, swap
from backbone.stack.readiness import ALIVE, DEAD, data_gone, look, on_brokers, wait_ready
from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from backbone.stack.engine.base import Progress, ServiceState, Stack
    from backbone.stack.readiness import Snapshot, Watcher
    from backbone.stack.settings import Settings


@contextmanager
def exclusive(settings: Settings, progress: Progress, *, stopping: bool = False) -> Iterator[None]:
    """Hold the checkout's lock: tasks that start or stop something wait for each other.

    What a killed one has left of a change of all data is brought to an end first.
    stopping: do the work without, if the disk takes no lock: a full or read-only one must not keep services running.
    Raises StackError("folder-not-writable").
    """
    lock = shared_with_helpers(settings.state_dir / "lock")
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("another task is starting or stopping this stack; waiting for it")
            lock.acquire()
    except OSError as error:
        if not stopping:
            raise _no_lock(settings, error) from error
        progress(f"{settings.state_dir} cannot be locked ({error.strerror}); stopping without")
    try:
        if lock.is_locked:
            _finish_swap(settings, progress, stopping=stopping)
        yield
    finally:
        lock.release()


def _finish_swap(settings: Settings, progress: Progress, *, stopping: bool) -> None:
    try:
        if ended := swap.finish(settings.state_dir):
            progress(ended)
    except StackError as error:
        if not stopping:
            raise
        progress(error.message)


def _no_lock(settings: Settings, error: OSError) -> StackError:
    return StackError(
        "folder-not-writable",
        f"cannot write to {settings.state_dir}",
        context=str(error),
        hint=f"ls -ld {shlex.quote(str(settings.state_dir))}; df -h {shlex.quote(str(settings.root))}",
        exit_code=ExitCode.ENVIRONMENT,
    )


def up(
    stack: Stack, *, timeout: float, progress: Progress, watch: Watcher, wait: bool = True, clock: Clock = CLOCK
) -> Snapshot:
    """Start what doesn't run and wait until all is ready; a stack that already is costs one look.

    Raises StackError("exposed", "security-switch" or "access-file") before anything starts, "service-died" with the
    guilty log lines as soon as a process ends, "not-ready" after `timeout` seconds. Ctrl-C stops what this call has
    started and nothing else.
    """
    names = list(stack.model.services)
    if not names:
        raise StackError("nothing-to-start", "no service is in the chosen profiles", exit_code=ExitCode.NOTHING)
    exposure.demand_loopback(stack.model, stack.settings)
    secure.demand_one_kind(stack.model, stack.engine.model)
    admission.check(stack)
    older = _older(stack)
    with exclusive(stack.settings, progress):
        before = {state.name for state in stack.engine.states(names) if state.phase in ALIVE}
        if gone := sorted(older.keys() - before):
            raise StackError(
                "stopped-meanwhile",
                f"{', '.join(gone)} ran with an older configuration than that of the files, and has ended meanwhile; "
                "nothing was started",
                hint="./invoke up",
                exit_code=ExitCode.ENVIRONMENT,
            )
        stack.engine.preflight(names, progress)
        _tell_outdated(older, progress)
        try:
            return _start(stack, timeout=timeout, progress=progress, watch=watch, wait=wait, clock=clock)
        except KeyboardInterrupt:
            progress("interrupted; stopping what was started")
            stack.engine.stop([name for name in names if name not in before], progress)
            raise


def _older(stack: Stack) -> dict[str, list[str]]:
    """Return what runs with an older configuration, and would go on with it: Docker's Compose makes containers anew."""
    found = {} if stack.engine.name == "docker" else stack.engine.outdated()
    return {name: keys for name, keys in found.items() if name in stack.model.services}


def _tell_outdated(older: Mapping[str, Sequence[str]], progress: Progress) -> None:
    for name, keys in older.items():
        progress(
            f"{name} runs with an older configuration ({', '.join(keys)}) and stays as it is; "
            f"./invoke restart {name} --renew gives it the one of the files, ./invoke up --renew does so for all"
        )


def _start(stack: Stack, *, timeout: float, progress: Progress, watch: Watcher, wait: bool, clock: Clock) -> Snapshot:
    """Start wave after wave, each when all before it are ready; all at once for somebody who does not wait."""
    began = clock.now()
    names = list(stack.model.services)
    if not wait:
        stack.engine.start(names, progress)
        return look(stack, 0.0)
    started: set[str] = set()
    # Where rules are asked for, the registry may have none before the brokers are there.
    early = [] if secure.secrets(stack.model) else stack.engine.early(names)
    for wave in stack.engine.waves(names):
        started |= set(wave)
        stack.engine.start([*wave, *(name for name in early if name not in wave)], progress)
        early = []
        part = replace(stack, model=stack.model.only(started))
        snapshot = wait_ready(part, timeout=timeout, watch=watch, clock=clock, began=began)
        if not stack.brokers.keys().isdisjoint(wave):  # before those start who need leave
            admission.grant(part, progress)
    return snapshot


def beside(stack: Stack) -> list[str]:
    """Return what runs of this checkout and is in none of the stack's profiles: an `up` of fewer profiles leaves it."""
    return [s.name for s in stack.engine.states() if s.phase in ALIVE and s.name not in stack.model.services]


def down(stack: Stack, progress: Progress) -> None:
    """Stop everything of the stack; the data stays."""
    with exclusive(stack.settings, progress, stopping=True):
        stack.engine.stop(list(stack.model.services), progress)


@contextmanager
def stopped(
    stack: Stack,
    *,
    timeout: float,
    progress: Progress,
    watch: Watcher,
    replaced: bool = False,
    clock: Clock = CLOCK,
) -> Iterator[None]:
    """Stop everything of the stack for a block; what ran before, or had died, runs again after it, and is ready.

    replaced: the data is replaced, so brokers and what lives by them are killed: nobody needs their orderly end.
    For somebody who holds the lock (`exclusive`).
    """
    names = list(stack.model.services)
    states = stack.engine.states(names)
    before = [state.name for state in states if state.phase in (*ALIVE, *DEAD)]
    try:
        if replaced:
            _kill(stack, states)
        stack.engine.stop(names, progress)
        yield
    finally:
        if before:
            part = replace(stack, model=stack.model.only(before))
            stack.engine.preflight(before, progress)
            _start(part, timeout=timeout, progress=progress, watch=watch, wait=True, clock=clock)


def _kill(stack: Stack, states: Sequence[ServiceState]) -> None:
    """Kill those of the running services that are brokers, or can do nothing without one.

    Not where one of them records a start-up cache: it would be lost, and only a whole stack stops in order quickly.
    """
    if any(state.records for state in states):
        return
    by_brokers = on_brokers(stack) | stack.brokers.keys()
    for state in states:
        if state.phase in ALIVE and state.name in by_brokers:
            with suppress(StackError):  # it has just ended, or its engine kills nothing that is paused
                stack.engine.signal(state.name, signal.SIGKILL)


def restart(
    stack: Stack,
    service: str,
    *,
    timeout: float,
    progress: Progress,
    watch: Watcher,
    renew: bool = False,
    clock: Clock = CLOCK,
) -> Snapshot:
    """Stop one service in order, start it again and wait until the stack is whole.

    It comes back with the configuration it ran with; renew: with that of the files, if the stack was opened for that.
    Ctrl-C between stop and start leaves it started. Raises StackError("not-whole") before anything is stopped if
    another service has died, and "data-gone" if it has lost its data: one broker more away could be one too many.
    """
    stack.model[service]
    if renew:
        secure.demand_one_kind(stack.model, stack.engine.model)
    with exclusive(stack.settings, progress):
        _demand_others(stack, service)
        stack.engine.preflight([service], progress, again=True)  # before anything is stopped
        try:
            stack.engine.stop([service], progress)
            stack.engine.start([service], progress, as_ran=not renew)
        except KeyboardInterrupt:
            progress(f"interrupted; {service} is started again")
            stack.engine.start([service], progress, as_ran=not renew)
            raise
        return wait_ready(stack, timeout=timeout, watch=watch, clock=clock)


def _demand_others(stack: Stack, service: str) -> None:
    states = stack.engine.states(list(stack.model.services))
    for state in states:
        if state.data_gone and state.name != service:
            raise data_gone(state)
    if dead := [state.name for state in states if state.phase in DEAD and state.name != service]:
        raise StackError(
            "not-whole",
            f"{', '.join(dead)} {'have' if dead[1:] else 'has'} died, so {service} alone cannot make the stack whole; "
            "nothing was restarted",
            hint="./invoke up",
            exit_code=ExitCode.ENVIRONMENT,
        )


def renew(
    opened: Callable[[Collection[str]], Stack], *, timeout: float, progress: Progress, watch: Watcher
) -> list[str]:
    """Restart what runs with an older configuration than the files say, one after another, and return its names.

    opened: gives the stack of what runs, with some services as the files say. Docker's Compose does this by itself.
    """
    running = opened(())
    older = _older(running)
    names = [name for wave in running.engine.waves(list(older)) for name in wave]
    for name in names:
        progress(f"{name} runs with an older configuration ({', '.join(older[name])}) and is restarted")
        restart(opened([name]), name, timeout=timeout, progress=progress, watch=watch, renew=True)
    return names


def nuke(stack: Stack, progress: Progress) -> None:
    """Stop everything and remove all data of the stack; brokers are killed, for nobody needs what they wrote."""
    names = list(stack.model.services)
    with exclusive(stack.settings, progress, stopping=True):
        _kill(stack, stack.engine.states(names))
        stack.engine.stop(names, progress)
        stack.engine.remove_data(progress)
