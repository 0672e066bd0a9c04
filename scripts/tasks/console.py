"""The task that opens the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command
from .stack import COMMAND_CONFIG_HELP, ENGINE_HELP

if TYPE_CHECKING:
    from invoke.context import Context

PORT = 8099


@command(
    help={
        "port": "the port on 127.0.0.1; 0 is any that is free",
        "bootstrap": "HOST:PORT[,…] of another cluster, which is only looked at",
        "command_config": COMMAND_CONFIG_HELP,
        "no_open": "do not start a browser",
        "engine": ENGINE_HELP,
    }
)
def console(
    _c: Context,
    *,
    port: int = PORT,
    bootstrap: str = "",
    command_config: str = "",
    no_open: bool = False,
    engine: str | None = None,
) -> None:
    """Show the stack in the browser, live, until Ctrl-C: services, partitions, topics, records, groups, dead letters.

    It answers on 127.0.0.1 only. What changes something needs the token in the printed address.
    """
    from backbone import console as terminal
    from backbone.web import server
    from backbone.web.cluster import Cluster
    from backbone.web.desk import Desk

    from . import targets

    theirs = targets.remote(bootstrap, command_config)
    desk = Desk(Cluster(theirs)) if theirs else Desk.of(targets.everything(engine))

    def ready(url: str) -> None:
        import webbrowser

        terminal.write_lines([url])
        terminal.say("Ctrl-C ends it")
        if not no_open:
            webbrowser.open(url)

    server.serve(desk, port, ready, terminal.download)
