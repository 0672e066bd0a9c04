"""The end of log files: the last lines, the new ones as they come, and the ones that tell why something died."""

from __future__ import annotations

import io
import os
import re
from collections import deque
from typing import TYPE_CHECKING, TextIO

from backbone.errors import StackError
from backbone.source import reading
from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from backbone.stack.engine.embedded.process import LogMark

_POLL_S = 0.2
# A JVM names the flag it does not know first, and calls that an error in the line after.
_BAD = re.compile(r"\b(FATAL|ERROR)\b|Exception\b|^(Error|Unrecognized|Invalid)\b")
_TELLING_LINES = 12


def lines(path: Path, count: int, *, follow: bool, alive: Callable[[], bool], clock: Clock = CLOCK) -> Iterator[str]:
    """Yield the last `count` lines; with `follow` go on until the writer has ended, across a rolled file."""
    try:
        file = _text(path)
    except StackError:
        return
    part, last_look = "", False
    try:
        yield from (line.rstrip("\n") for line in deque(file, maxlen=max(count, 0)))
        while follow:
            part += file.readline()
            if part.endswith("\n"):
                yield part.rstrip("\n")
                part = ""
            elif path.exists() and path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                file.close()
                file = _text(path)
            elif last_look:
                return
            elif alive():
                clock.sleep(_POLL_S)
            else:
                last_look = True  # for what it wrote just before it ended
    except OSError:  # its disk is gone: there are no more lines
        return
    finally:
        file.close()


def guilty(said: Sequence[str]) -> str:
    """Return the first error of some lines with what follows it, or the last words where there is none."""
    bad = next((number for number, line in enumerate(said) if _BAD.search(line)), None)
    return "\n".join(said[-_TELLING_LINES:] if bad is None else said[bad : bad + _TELLING_LINES])


def since(path: Path, mark: LogMark | None = None) -> list[str]:
    """Return the lines of a log after a mark; all of them without one, and where it is another file (it was rolled).

    mark: where it ended before the start that is asked about.
    """
    try:
        with reading.stream(path) as file:
            now = os.fstat(file.fileno())
            if mark and mark.inode == now.st_ino and mark.size <= now.st_size:
                file.seek(mark.size)
            return file.read().decode("utf-8", "replace").splitlines()
    except (StackError, OSError):
        return []


def _text(path: Path) -> TextIO:
    return io.TextIOWrapper(reading.stream(path), encoding="utf-8", errors="replace")
