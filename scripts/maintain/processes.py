"""A program as its user meets it: a whole process, timed from outside, with the memory of its tree watched."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from backbone.errors import ExitCode, StackError
from scripts.maintain import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_SAMPLE_S = 0.02
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Ran:
    """One process: wall seconds, the tree's peak memory in MiB, exit code, and what it said on stdout and stderr."""

    seconds: float
    peak_mib: float
    exit_code: int
    output: str
    errors: str


def run(argv: Sequence[str], *, timeout: float, environ: Mapping[str, str] | None = None, folder: Path = ROOT) -> Ran:
    """Run one command in a checkout (this one) to its end; what is not over after `timeout` seconds is killed.

    An interruption ends it, too: a client that goes on would meet the next stack at the same ports.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = psutil.Popen(
            argv, cwd=folder, env=_environ(environ or {}), stdout=output, stderr=errors, stdin=subprocess.DEVNULL
        )
        peak = 0
        try:
            while process.poll() is None:
                peak = max(peak, _tree_memory(process))
                if time.monotonic() - began > timeout:
                    process.kill()
                time.sleep(_SAMPLE_S)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        seconds = time.monotonic() - began
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return Ran(round(seconds, 3), round(peak / 1024**2, 1), int(process.returncode), *said)


@contextmanager
def started(argv: Sequence[str]) -> Iterator[None]:
    """Start a process and wait for its end at the end of the block."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL):
        yield


def task(*words: str, timeout: float, environ: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)) -> Ran:
    """Run a task of this checkout; StackError("task-failed") with its last words if it ends otherwise than asked."""
    ran = run([sys.executable, "-m", "invoke", *words], timeout=timeout, environ=environ)
    return _ended(ran, f"invoke {words[0]} ended with {ran.exit_code}", codes)


def task_of(folder: Path, *words: str, timeout: float, environ: Mapping[str, str]) -> Ran:
    """Run `./invoke` of any checkout; StackError("task-failed") as above."""
    ran = run([str(folder / "invoke"), *words], timeout=timeout, environ=environ, folder=folder)
    return _ended(ran, f"./invoke {words[0]} failed in {folder}")


def _ended(ran: Ran, otherwise: str, codes: Sequence[int] = (0,)) -> Ran:
    if ran.exit_code not in codes:
        context = (ran.errors or ran.output)[-_LAST_WORDS:]
        raise StackError("task-failed", otherwise, context=context, exit_code=ExitCode.ENVIRONMENT)
    return ran


def _environ(changes: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python may keep its bytecode, as it does for a user."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | dict(changes)


def _tree_memory(process: Any) -> int:
    """Return the resident bytes of a process and its children, 0 once it is gone."""
    try:
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0
