"""What git says and what the worker runs: the changes between them, and making them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from backbone.errors import StackError
from backbone.wait import CLOCK, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from backbone.events.connectors.files import Connector
    from backbone.events.connectors.worker import State, Worker
    from backbone.wait import Clock

Kind = Literal["create", "update", "unknown"]
_SECRET = ("password", "secret")
_STALE_S = 10.0
_SETTLE_S = 20.0


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `unknown` is a connector that git does not know, and is left alone."""

    kind: Kind
    name: str
    details: tuple[str, ...] = ()


def compare(wanted: Iterable[Connector], known: Iterable[Connector], worker: Worker) -> tuple[Change, ...]:
    """Return the changes that make the worker run `wanted`; `known` is all that git has, optional or not."""
    changes = []
    for connector in wanted:
        found = worker.config(connector.name)
        if found is None:
            changes.append(Change("create", connector.name, (connector.doc,)))
        elif details := tuple(_differences(found, connector.config)):
            changes.append(Change("update", connector.name, details))
    names = {connector.name for connector in known}
    strangers = (name for name in worker.connectors() if name not in names)
    return (*changes, *(Change("unknown", name, ("runs, and is not in git",)) for name in strangers))


def validate(wanted: Iterable[Connector], worker: Worker) -> None:
    """Raise StackError("connector-config") with every setting that a plugin itself finds wrong."""
    faults = [
        f"{connector.name}: {fault}"
        for connector in wanted
        for fault in worker.faults(connector.name, connector.config)
    ]
    if faults:
        raise StackError(
            "connector-config",
            f"the plugins refuse {len(faults)} settings",
            context="\n".join(faults),
            hint="edit infra/05-messaging/connect/connectors/NAME.yml",
        )


def apply(
    wanted: Iterable[Connector],
    known: Iterable[Connector],
    worker: Worker,
    progress: Callable[[Change], None],
) -> tuple[Change, ...]:
    """Give the worker what git says and return the changes made; strangers are left, nothing is deleted."""
    connectors = {connector.name: connector for connector in wanted}
    validate(connectors.values(), worker)
    done = tuple(change for change in compare(connectors.values(), known, worker) if change.kind != "unknown")
    for change in done:
        worker.put(change.name, connectors[change.name].config)
        progress(change)
    return done


def wait_running(
    names: Iterable[str],
    worker: Worker,
    *,
    timeout: float,
    before: Collection[State] = (),
    clock: Clock = CLOCK,
) -> tuple[State, ...]:
    """Wait until every named connector runs, and return their states; those that fail are returned at once.

    before: states from before a restart. Connect goes on telling an old failure until it has read its own news, so
    one that is just the same is believed only after 10 s. Raises StackError("timed-out") with the last states after
    `timeout` seconds.
    """
    wanted = tuple(names)
    seen: dict[str, State | None] = {}
    believed = clock.now() + _STALE_S

    def over(state: State) -> bool:
        return state.running or (state.failed and (state not in before or clock.now() >= believed))

    def settled() -> tuple[State, ...] | None:
        seen.update({name: worker.state(name) for name in wanted})
        states = tuple(state for state in seen.values() if state is not None)
        return states if len(states) == len(wanted) and all(map(over, states)) else None

    def last_seen() -> str:
        return "\n".join(f"{name}: {state.state if state else 'not placed yet'}" for name, state in seen.items())

    return wait_until(
        settled,
        what=f"connectors {', '.join(wanted)} to run",
        timeout=timeout,
        interval=0.2,
        last_seen=last_seen,
        hint="./invoke connectors status",
        clock=clock,
    )


def restart(names: Iterable[str], worker: Worker, *, timeout: float, clock: Clock = CLOCK) -> tuple[State, ...]:
    """Restart connectors with their tasks, wait until they run or fail again, and return their states.

    Raises StackError("timed-out") like `wait_running`.
    """
    wanted = tuple(names)
    before = [state for name in wanted if (state := worker.state(name))]
    for name in wanted:
        worker.restart(name)
    return wait_running(wanted, worker, timeout=timeout, before=before, clock=clock)


def troubles(
    worker: Worker, *, database: bool, timeout: float = _SETTLE_S, clock: Clock = CLOCK
) -> tuple[tuple[str, ...], tuple[State, ...]]:
    """Return which connectors lack PostgreSQL, and which others have failed and stay so.

    database: whether PostgreSQL runs. A failure from before the worker's own start is not believed at once.
    """
    names = worker.connectors()
    lacking = tuple(name for name in names if not database and _needs_database(worker.config(name) or {}))
    states = (worker.state(name) for name in names if name not in lacking)
    failed = [state for state in states if state is not None and state.failed]
    if failed:
        again = wait_running([each.name for each in failed], worker, timeout=timeout, before=failed, clock=clock)
        failed = [state for state in again if state.failed]
    return lacking, tuple(failed)


def _needs_database(config: Mapping[str, str]) -> bool:
    """Tell whether a connector works on this stack's PostgreSQL: the worker's variables say where that is."""
    return any("${env:CONNECT_POSTGRES_" in value for value in config.values())


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> Iterable[str]:
    """Yield `setting: before → after`; a password that somebody put there by hand is not shown."""
    for key in sorted(found.keys() | wanted.keys()):
        before, after = found.get(key), wanted.get(key)
        if before == after:
            continue
        if key.endswith(_SECRET):
            yield f"{key}: differs"
        else:
            yield f"{key}: {before if before is not None else '(not set)'} → {after or '(not set)'}"
