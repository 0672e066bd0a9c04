"""Serves the console on loopback until somebody ends it."""

from __future__ import annotations

import socket
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE
from backbone.stack.settings import Settings
from backbone.web.app import application
from backbone.web.guard import Access

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.applications import Starlette

    from backbone.stack.engine.embedded.artifacts import Downloads
    from backbone.web.desk import Desk

_HTMX = "console"
"""The set of the artifact lock that holds the script, as a web jar."""


def serve(desk: Desk, port: int, ready: Callable[[str], None], downloads: Downloads) -> None:
    """Serve a desk on 127.0.0.1 and call `ready` with the address to open, once it answers. Returns after Ctrl-C.

    Raises StackError("port-taken"), and what artifacts.ensure() says.
    """
    script = htmx(Settings(), downloads)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                "port-taken",
                f"127.0.0.1:{port} cannot be listened on: {error.strerror}",
                hint="./invoke console --port 0",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error
        access = Access(listening.getsockname()[1])
        listening.listen()
        if desk.watch is not None:
            desk.watch.start()
        ready(access.url)
        try:
            with suppress(KeyboardInterrupt):  # uvicorn raises it again when it has ended in order
                server_of(application(desk, access, script)).run([listening])
        finally:
            desk.cluster.close()
            if desk.watch is not None:
                desk.watch.end()


def server_of(app: Starlette) -> uvicorn.Server:
    """Return what serves an application: quiet, without a word about itself."""
    return uvicorn.Server(uvicorn.Config(app, log_level="critical", server_header=False, lifespan="off", ws="none"))


def htmx(settings: Settings, downloads: Downloads) -> bytes:
    """Return the script, from the web jar that the artifact lock names."""
    (jar,) = artifacts.ensure(artifacts.read_lock(settings.root / LOCK_FILE)[_HTMX], settings.cache_dir, downloads)
    with zipfile.ZipFile(jar) as opened:
        name = next(name for name in opened.namelist() if name.endswith("/dist/htmx.min.js"))
        return opened.read(name)
