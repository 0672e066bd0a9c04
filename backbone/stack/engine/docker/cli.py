"""The one caller of `docker-compose` for what changes containers: the pinned binary, this checkout's files.

`docker compose` typed by hand does the same, on the same project: the tasks add nothing to it.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.stack import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backbone.stack.settings import Settings

_LAST_LINES = 15
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class ComposeCli:
    """Docker Compose over one checkout, with all profiles on: services are chosen by name."""

    settings: Settings
    engine_address: str

    def run(
        self,
        verb: Sequence[str],
        *,
        progress: Callable[[str], None],
        watch: Callable[[], StackError | None] = lambda: None,
    ) -> None:
        """Run a verb and tell its progress; `watch` is asked meanwhile and ends it by returning an error.

        Raises that error, or StackError("compose-failed") with Compose's last words.
        """
        said: list[str] = []
        with self._process(verb) as process:
            if process.stdout is None:
                raise ValueError("no pipe")
            reader = _Lines(process.stdout.fileno())
            while True:
                ended = process.poll() is not None
                for line in reader.lines(0.0 if ended else _POLL_S):
                    said.append(line)
                    progress(line)
                if ended:
                    break
                if error := watch():
                    raise error
        if process.returncode:
            raise watch() or StackError(
                "compose-failed",
                f"docker compose {verb[0]} ended with {process.returncode}",
                context="\n".join(said[-_LAST_LINES:]),
                hint="./invoke doctor",
                exit_code=ExitCode.ENVIRONMENT,
            )

    @contextlib.contextmanager
    def _process(self, verb: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Start Compose; whatever ends the block early also ends Compose, gently."""
        argv = [
            str(compose.binary()),
            *(word for file in (self.settings.compose_file, *self.settings.overlays) for word in ("--file", str(file))),
            "--profile",
            "*",
            "--ansi",
            "never",
        ]
        process = subprocess.Popen(
            [*argv, "--progress", "plain", *verb],
            cwd=self.settings.root,
            env={**self.settings.environ, "DOCKER_HOST": self.engine_address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            if process.stdout is not None:
                process.stdout.close()
            process.wait()


class _Lines:
    """Complete lines of a pipe, as they come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def lines(self, wait: float) -> Iterator[str]:
        """Yield what comes within `wait` seconds (0: what is there) as whole lines."""
        while select.select([self._descriptor], [], [], wait)[0]:
            chunk = os.read(self._descriptor, 65536)
            if not chunk:
                break
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            yield from (text for line in whole if (text := line.decode(errors="replace").strip()))
            wait = 0.0
