"""Tasks for the life of the stack: start, look, stop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from invoke import Context

    from backbone.stack.engine import ServiceState, Stack
    from backbone.stack.health import ClusterHealth
    from backbone.stack.readiness import Snapshot

ENGINE_HELP = "docker, embedded or auto (default: STACK_ENGINE, else auto)"
COMMAND_CONFIG_HELP = "a client.properties file as Kafka's own tools take it: TLS, login, bootstrap.servers"
PROFILE_HELP = "a Compose profile; repeat it for more (default: COMPOSE_PROFILES, else messaging)"
TIMEOUT_S = 180
_LAG_TIMEOUT_MS = 2_000
_WORST = 3


@command(
    iterable=["profile"],
    help={
        "engine": ENGINE_HELP,
        "profile": PROFILE_HELP,
        "wait": "wait until all is ready (--no-wait: return once started)",
        "timeout": f"seconds to wait (default {TIMEOUT_S})",
        "name": "a private stack of this name, with ports of its own that it keeps, instead of that of this folder",
        "lite": "one node in place of three and no Connect, from now on: STACK_SIZE in .env (for tests)",
        "from_": "begin with this snapshot (a name, or an exported file); the stack has no data yet",
        "contracts": "bring the contracts into the registry (--no-contracts: leave it as it is)",
        "renew": "first restart, one after another, what runs with an older configuration than the files say",
        "json": "print the state of the stack as JSON",
    },
)
def up(
    c: Context,
    engine: str | None = None,
    profile: list[str] | None = None,
    wait: bool = True,
    timeout: int = TIMEOUT_S,
    name: str = "",
    from_: str = "",
    lite: bool = False,
    contracts: bool = True,
    renew: bool = False,
    json: bool = False,
) -> None:
    """Start the stack and wait until it is truly ready; what runs already stays."""
    from backbone import console
    from backbone.lint import own_files
    from backbone.snapshots import operations
    from backbone.stack import leftovers, lifecycle, postgres, readiness, topics

    from . import targets
    from .connectors import tell_failed
    from .contracts import put_in_force

    _prepare(name, from_, engine, lite=lite)
    if renew:
        _renew(engine, timeout)
    stack = targets.stack(profile, engine)
    if stack.brokers:
        own_files.require(stack.settings.root)
    with console.Waiting(timeout) as waiting:
        snapshot = lifecycle.up(stack, timeout=timeout, progress=console.say, watch=partial(show, waiting), wait=wait)
    if wait and stack.brokers:
        for change in topics.apply_file(stack.settings.root / topics.FILE, stack.bootstrap):
            console.say(f"topic {change}")
        leftovers.clear(targets.ledger(), console.say)
    operations.clear(stack.settings, console.say)
    if running := lifecycle.beside(stack):
        console.say(f"left as they are, in none of these profiles: {', '.join(running)}; ./invoke down stops them too")
    if wait and contracts and "schema-registry" in stack.model.services:
        put_in_force(stack)
    if wait and "kafka-connect" in stack.model.services:
        tell_failed(stack)
    if postgres.SERVICE in stack.model.services and (server := postgres.server(stack.model)).password_file.exists():
        server.passfile(stack.settings.state_dir)  # for `endpoints`, which only looks
    if json:
        console.print_json(_status_value(stack.engine.name, stack.brokers, *readiness.survey(stack)))
    else:
        _farewell(stack, snapshot, wait=wait)


def _prepare(name: str, source: str, engine: str | None, *, lite: bool) -> None:
    """Let `up` work on the private stack of a name, as one node, and begin with a snapshot, if that is asked for."""
    from . import targets

    if name:
        _stand_in(name)
    if lite:
        targets.make_lite(engine)
    if source:
        _begin(source, engine)
    _stay(engine)


def _stay(engine: str | None) -> None:
    """Let data that a version is not named for stay with the one that it is on."""
    from backbone import console
    from backbone.stack.settings import Settings
    from backbone.upgrade import pin

    from . import targets

    if kept := pin.keep(Settings(), partial(targets.everything, engine)):
        console.say(f"the data here is of Kafka {kept}, and .env says so now; ./invoke upgrade takes it to a later one")


def _renew(engine: str | None, timeout: int) -> None:
    """Bring what runs to the configuration of the files."""
    from backbone import console
    from backbone.stack import lifecycle

    from . import targets

    running = partial(targets.running, engine)
    with console.Waiting(timeout) as waiting:
        lifecycle.renew(running, timeout=timeout, progress=console.say, watch=partial(show, waiting))


def _stand_in(name: str) -> None:
    """Let this task work on a private stack, and say how others do."""
    import os
    import shlex

    from rich.markup import escape

    from backbone import console
    from backbone.stack import private

    home = str(private.ensure(name, dict(os.environ)).root)
    os.environ["BACKBONE_HOME"] = home
    console.say(escape(f"for other tasks: export BACKBONE_HOME={shlex.quote(home)}"))


def _begin(source: str, engine: str | None) -> None:
    """Let this home begin with a snapshot: one that it has, else the one in a file."""
    from pathlib import Path

    from backbone import console
    from backbone.snapshots import operations

    from . import targets

    stack = targets.everything(engine)
    store = operations.of(stack.settings)
    name = source if source in store.names() else operations.bring(stack.settings, Path(source), console.say).name
    manifest = operations.adopt(stack, name, console.say)
    console.say(f"the data is that of {manifest.name}, saved at {manifest.created}")


@command(help={"engine": ENGINE_HELP, "name": "the private stack of this name, instead of that of this folder"})
def down(c: Context, engine: str | None = None, name: str = "") -> None:
    """Stop the stack in order; the data stays."""
    from backbone import console
    from backbone.stack import lifecycle

    from . import targets

    if name:
        _stand_in(name)
    stack = targets.everything(engine, quiet=False)
    lifecycle.down(stack, console.say)
    console.say(
        f"stopped; the data is kept in {', '.join(sorted({str(path.parent) for path in stack.engine.data_dirs()}))}"
    )


@command(help={"engine": ENGINE_HELP, "yes": "don't ask"})
def nuke(c: Context, engine: str | None = None, yes: bool = False) -> None:
    """Stop the stack and remove all its data, after asking."""
    from backbone import console
    from backbone.stack import lifecycle

    from . import targets

    stack = targets.everything(engine, quiet=False)
    folders = [str(path) for path in stack.engine.data_dirs() if path.exists()]
    console.say("this removes permanently:\n  " + ("\n  ".join(folders) or "nothing: there is no data"))
    if not yes and not console.confirm("remove it?"):
        raise StackError("not-confirmed", "nothing was removed", hint="./invoke nuke --yes", exit_code=ExitCode.USAGE)
    lifecycle.nuke(stack, console.say)
    console.say("all data of the stack is removed")


@command(
    help={
        "service": "a service of the Compose files",
        "renew": "with the configuration of the files as they are now (default: the one it ran with)",
        "engine": ENGINE_HELP,
        "timeout": "seconds to wait",
    }
)
def restart(c: Context, service: str, renew: bool = False, engine: str | None = None, timeout: int = TIMEOUT_S) -> None:
    """Stop one service in order, start it and wait until the stack is whole again."""
    from backbone import console
    from backbone.stack import lifecycle

    from . import targets

    if renew:
        _stay(engine)
    stack = targets.running(engine, [service] if renew else ())
    if service not in stack.model.services:
        stack.engine.model[service]
        raise StackError("not-running", f"{service} does not run", hint="./invoke up", exit_code=ExitCode.ENVIRONMENT)
    with console.Waiting(timeout) as waiting:
        snapshot = lifecycle.restart(
            stack, service, timeout=timeout, progress=console.say, watch=partial(show, waiting), renew=renew
        )
    console.say(f"{service} is back after {snapshot.waited:.1f} s")


@command(
    help={
        "engine": ENGINE_HELP,
        "bootstrap": "HOST:PORT[,…] of another cluster, which is only asked about itself",
        "command_config": COMMAND_CONFIG_HELP,
        "json": "print JSON",
    }
)
def status(
    c: Context, engine: str | None = None, bootstrap: str = "", command_config: str = "", json: bool = False
) -> ExitCode:
    """Show every service, and what the cluster says of itself; exits 1 if something that should run does not."""
    from rich.markup import escape

    from backbone import console
    from backbone.stack import health, readiness

    from . import targets

    states: tuple[ServiceState, ...] = ()
    if brokers := targets.remote(bootstrap, command_config):
        found = health.probe(brokers)
        value = _status_value("", (), (), found)
    else:
        stack = targets.everything(engine)
        states, found = readiness.survey(stack)
        value = _status_value(stack.engine.name, stack.brokers, states, found)
        brokers = stack.bootstrap
    cluster = value["cluster"]
    lags = _lags(brokers) if isinstance(cluster, dict) and not cluster["offline"] else None
    if json:
        console.print_json(value | {"lag_records": lags})
    elif not value["engine"]:
        console.say(_cluster_words(cluster))
    else:
        columns = ("SERVICE", "STATE", "HEALTH", "WHERE", "PORTS", "UPTIME", "MEMORY", "")
        here = [state for state in states if state.phase != "unavailable"]
        spare = ("WHERE", "PORTS", "MEMORY", "UPTIME", "HEALTH")
        console.print_table(columns, [_row(state) for state in here], spare=spare)
        if absent := [state.name for state in states if state.phase == "unavailable"]:
            console.say(f"[dim]docker only: {', '.join(absent)}[/]")
        console.say(_cluster_words(cluster))
    if lags is not None and not json:
        console.say(escape(_lag_words(lags)))
    return ExitCode.OK if value["ok"] else ExitCode.FINDINGS


@command(
    help={
        "service": "a service of the Compose files",
        "tail": "how many lines from the end",
        "follow": "go on with new lines until Ctrl-C",
        "engine": ENGINE_HELP,
    }
)
def logs(c: Context, service: str, tail: int = 100, follow: bool = False, engine: str | None = None) -> None:
    """Print the end of a service's log."""
    import sys

    from . import targets

    stack = targets.everything(engine)
    stack.model[service]
    for line in stack.engine.logs(service, tail, follow=follow):
        sys.stdout.write(line + "\n")
        if follow:
            sys.stdout.flush()


@command(
    iterable=["profile"],
    help={
        "format": "table, env or json",
        "with_secrets": "PostgreSQL's URL with its password, instead of the file that libpq reads it from",
        "profile": PROFILE_HELP,
        "engine": ENGINE_HELP,
        "json": "the same as --format json",
    },
)
def endpoints(
    c: Context,
    format: str = "table",
    with_secrets: bool = False,
    profile: list[str] | None = None,
    engine: str | None = None,
    json: bool = False,
) -> None:
    """Print the addresses that clients on this machine use; `env` has them for languages and frameworks."""
    from backbone import console
    from backbone.stack import client_env

    from . import targets

    stack = targets.stack(profile, engine, quiet=True)
    found = client_env.of(stack, with_secrets=with_secrets)
    if json or format == "json":
        console.print_json(found)
    elif format == "env":
        console.write_lines(f"{name}={value}" for name, value in found.items())
    elif format == "table":
        console.print_table(("NAME", "ADDRESS"), found.items())
    else:
        raise StackError(
            "unknown-format", f"there is no format {format!r}: table, env or json", exit_code=ExitCode.USAGE
        )


@command(
    iterable=["profile"],
    help={
        "format": "dotenv, shell, json, properties, spring, quarkus, node, dotnet, github (into GITHUB_ENV's file)",
        "with_secrets": "PostgreSQL and Kafka with their passwords, instead of the files that have them",
        "user": "where brokers ask for a login: a user of access.yml (default app)",
        "profile": PROFILE_HELP,
        "engine": ENGINE_HELP,
        "json": "the same as --format json",
    },
)
def env(
    c: Context,
    format: str = "dotenv",
    with_secrets: bool = False,
    user: str = "app",
    profile: list[str] | None = None,
    engine: str | None = None,
    json: bool = False,
) -> None:
    """Print all that a client needs to reach the stack, as a file of its language or framework."""
    import os
    import sys

    from backbone.stack import client_env

    from . import targets

    values = client_env.of(targets.stack(profile, engine, quiet=True), with_secrets=with_secrets, user=user)
    sys.stdout.write(client_env.text(values, "json" if json else format, os.environ))


@command(help={"shift": "add this to every port of .env; may be negative", "json": "print JSON"})
def ports(c: Context, shift: int = 0, json: bool = False) -> None:
    """Show the ports of this checkout, or move them all, so that two checkouts run side by side."""
    from rich.markup import escape

    from backbone import console
    from backbone.stack import settings

    here = settings.Settings()
    if shift:
        settings.ensure_env_file(here)
    found = settings.shift_ports(here.values_file, shift)
    for name, why in settings.unmoved_ports(here).items():
        console.say(escape(f"not moved: {name} {why}"))
    if json:
        console.print_json(found)
    else:
        console.print_table(("VARIABLE", "PORT"), found.items())


def show(waiting: object, snapshot: Snapshot) -> None:
    """Show one moment of a wait for the stack."""
    rows = [
        (state.name, state.health if state.phase == "running" else state.phase)
        for state in snapshot.states
        if state.phase != "unavailable"  # the docker-only ones are named once, when all is ready
    ]
    waiting.show(rows, snapshot.missing, snapshot.waited)  # type: ignore[attr-defined]


def _farewell(stack: Stack, snapshot: Snapshot, *, wait: bool) -> None:
    from backbone import console

    absent = [state.name for state in snapshot.states if state.phase == "unavailable"]
    if absent:
        console.say(f"[dim]docker only, not started: {', '.join(absent)}[/]")
    console.say(
        f"[bold green]ready[/] after {snapshot.waited:.1f} s" if wait else "started; ./invoke status shows how it goes"
    )
    if stack.settings.lite:
        console.say(
            "one node (STACK_SIZE=lite in .env): nothing has a copy, so nothing here proves what a lost broker does"
        )
    console.print_table(("NAME", "ADDRESS"), stack.endpoints.items())
    console.say("next: ./invoke smoke    ./invoke status    ./invoke down")


def _row(state: ServiceState) -> tuple[object, ...]:
    from backbone import console

    uptime = "" if state.uptime is None else console.duration(state.uptime)
    memory = "" if state.memory is None else console.size(state.memory)
    ports = ",".join(map(str, state.ports))
    older = f"older configuration ({', '.join(state.outdated)})" if state.outdated else ""
    detail = "; ".join(filter(None, (state.detail, older)))
    return (state.name, state.phase, state.health, state.identity, ports, uptime, memory, detail)


def _status_value(
    engine: str, brokers: Collection[str], states: tuple[ServiceState, ...], found: ClusterHealth | None
) -> dict[str, object]:
    """Return what `status --json` prints: services, cluster (None while no broker answers), and whether all is well.

    engine: "" for a cluster of others, which has no services here.
    """
    from dataclasses import asdict

    started = [state for state in states if state.phase not in {"unavailable", "stopped"}]
    whole = bool(found and not found.missing(len(brokers)))
    wanted = not engine or any(state.name in brokers for state in started)
    cluster = found and {
        "cluster_id": found.cluster_id,
        "controller": found.controller,
        "brokers_registered": list(found.brokers),
        "partitions": len(found.partitions),
        "offline": [f"{item.topic}-{item.partition}" for item in found.offline],
        "under_replicated": [f"{item.topic}-{item.partition}" for item in found.under_replicated],
        "under_min_isr": [f"{item.topic}-{item.partition}" for item in found.under_min_isr],
        "missing": found.missing(len(brokers)),
    }
    well = all(state.phase == "running" and state.health == "healthy" for state in started)
    return {
        "engine": engine,
        "services": [asdict(state) for state in states],
        "cluster": cluster,
        "ok": (bool(started) or not engine) and well and (whole or not wanted),
    }


def _lags(bootstrap: Sequence[str]) -> dict[str, int] | None:
    """Return the lag of each group in records, None if the cluster does not say so at once: status is not about it."""
    from backbone import clients
    from backbone.stack import groups

    try:
        with clients.admin(bootstrap, request_timeout_ms=_LAG_TIMEOUT_MS) as client:
            return groups.lags(client)
    except StackError:
        return None


def _lag_words(lags: Mapping[str, int]) -> str:
    behind = sorted(((lag, name) for name, lag in lags.items() if lag), reverse=True)
    if not behind:
        return f"consumer groups: {len(lags)}, no lag"
    worst = ", ".join(f"{name} {lag}" for lag, name in behind[:_WORST])
    more = ", …" if behind[_WORST:] else ""
    return f"consumer groups: {len(lags)}, lag {sum(lags.values())} records ({worst}{more}); ./invoke groups list"


def _cluster_words(cluster: object) -> str:
    if not isinstance(cluster, dict):
        return "cluster: no broker answers"
    return (
        f"cluster {cluster['cluster_id']}: controller {cluster['controller']}, "
        f"brokers {', '.join(map(str, cluster['brokers_registered']))}, {cluster['partitions']} partitions, "
        f"{len(cluster['offline'])} offline, {len(cluster['under_replicated'])} under-replicated, "
        f"{len(cluster['under_min_isr'])} under min ISR"
    )
