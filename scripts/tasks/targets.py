"""What a task works on: the stack of some profiles of this checkout, what runs of it, or a remote cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from backbone import addresses, client_properties, console, kafka_probe
from backbone.errors import ExitCode, StackError
from backbone.stack import endpoints, leftovers
from backbone.stack.engine import choose, open_stack
from backbone.stack.leftovers import Ledger
from backbone.stack.settings import Settings, ensure_env_file
from backbone.stack.settings import make_lite as make_settings_lite

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from backbone.stack.engine import Stack

DEFAULT_PROFILES = ("messaging",)


def stack(
    profiles: Sequence[str] | None = None,
    engine: str | None = None,
    *,
    quiet: bool = False,
    renewed: Collection[str] = (),
) -> Stack:
    """Open the stack of this checkout: the profiles asked for, else COMPOSE_PROFILES, else `messaging`.

    renewed: services that stand in it as the files say, though they run with something else.
    quiet: for tasks that only look; they say nothing of it, and make no .env.
    """
    settings = Settings()
    if not quiet and ensure_env_file(settings):
        console.say("made .env from .env.example, with a CLUSTER_ID of its own")
    chosen, why = choose(settings, engine)
    if not quiet:
        console.say(f"[dim]engine: {chosen} ({why})[/]")
    return open_stack(settings, _profiles(settings, profiles), chosen, console.download, renewed)


def everything(engine: str | None = None, *, quiet: bool = True, renewed: Collection[str] = ()) -> Stack:
    """Open the stack with all its profiles, for tasks that look at whatever runs."""
    return stack(["*"], engine, quiet=quiet, renewed=renewed)


def running(engine: str | None = None, renewed: Collection[str] = ()) -> Stack:
    """Open the stack of those services that have been started."""
    whole = everything(engine, renewed=renewed)
    started = {state.name for state in whole.engine.states() if state.phase not in {"stopped", "unavailable"}}
    return replace(whole, model=whole.model.only(started))


def make_lite(engine: str | None = None) -> None:
    """Let this checkout's stack be one node from now on; StackError("other-size") while it runs as three."""
    settings = Settings()
    ensure_env_file(settings)
    if settings.lite:
        return
    if any(state.phase in {"starting", "running", "paused"} for state in everything(engine).engine.states()):
        raise StackError(
            "other-size",
            "this stack runs as three nodes; it cannot become one of one node while it does",
            hint="./invoke down\n./invoke up --lite\nor beside it\n./invoke up --lite --name lite",
            exit_code=ExitCode.USAGE,
        )
    make_settings_lite(settings)


def ledger() -> Ledger:
    """Return the account of what the tasks of this home make for a while."""
    return Ledger(Settings().state_dir / leftovers.FOLDER)


def remote(given: str | None, command_config: str | None) -> tuple[str, ...]:
    """Return the addresses of another cluster, () if none is named; see that it lets us in.

    given: HOST:PORT,…; else the bootstrap.servers of command_config, a client.properties file. From now on this process
    is that client, to this checkout's own stack as well. Raises StackError: what the file or the cluster refuses.
    """
    security = client_properties.read(command_config) if command_config else client_properties.current()
    client_properties.use(security)
    found = addresses.bootstrap(given or security.bootstrap) if given or security.bootstrap else ()
    if found:
        kafka_probe.demand(found, security)
    return found


def bootstrap(given: str | None, command_config: str | None = None) -> tuple[str, ...]:
    """Return the addresses of another cluster (see remote), or those of this checkout's own."""
    return remote(given, command_config) or own_brokers(stack(None, quiet=True))


def own_brokers(own: Stack) -> tuple[str, ...]:
    """Return the brokers' addresses of a stack; StackError("no-broker") if none of its services is one.

    Where this process logs in, they let it in: else StackError says what they refuse (backbone.refusals).
    """
    if not own.bootstrap:
        raise StackError("no-broker", "no broker runs", hint="./invoke up", exit_code=ExitCode.ENVIRONMENT)
    security = client_properties.current()
    if security.file:
        kafka_probe.demand(own.bootstrap, security)
    return own.bootstrap


def brokers(settings: Settings, given: str | None, command_config: str | None = None) -> tuple[str, ...]:
    """Return the addresses of another cluster (see remote), else those of our brokers, whether or not they run."""
    return remote(given, command_config) or endpoints.bootstrap(endpoints.model(settings))


def _profiles(settings: Settings, given: Sequence[str] | None) -> list[str]:
    if given:
        return [item for text in given for item in text.split(",") if item]
    from_env = settings.variables().get("COMPOSE_PROFILES", "")
    return [item for item in from_env.split(",") if item] or list(DEFAULT_PROFILES)
