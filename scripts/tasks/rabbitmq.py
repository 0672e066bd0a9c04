"""RabbitMQ's task: it is deferred, has a profile of its own and a smoke test of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from invoke import Context


@command(help={"json": "print the result as JSON"})
def rabbitmq(_c: Context, json: bool = False) -> None:
    """Send a confirmed message through a quorum queue of the running RabbitMQ and read it back."""
    from contextlib import closing
    from pathlib import Path

    from backbone import console
    from backbone.stack import endpoints
    from backbone.stack import rabbitmq as service

    from . import targets

    stack = targets.everything(quiet=True)
    host, port = endpoints.address(stack.model, "rabbitmq")
    mounts = stack.model["rabbitmq-user"].mounts
    secrets = next(Path(mount.source) for mount in mounts if mount.target == "/run/secrets")
    account = service.read_account(secrets / "30-user.conf")
    with closing(service.AmqpChannel(host, port, account)) as channel:
        content = service.smoke(channel)
    if json:
        console.print_json({"ok": True, "address": f"{host}:{port}", "content": content})
    else:
        console.say(f"[green]ok[/] a message went through {host}:{port} and came back")
