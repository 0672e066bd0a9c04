"""The end of log files: the last lines, the new ones as they come, and the ones that tell why something died."""

from __future__ import annotations

import os
import re
from collections import deque
from typing import TYPE_CHECKING

from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_POLL_S = 0.2
# A JVM names the flag it does not know first, and calls that an error in the line after.
_BAD = re.compile(r"\b(FATAL|ERROR)\b|Exception\b|^(Error|Unrecognized|Invalid)\b")
_TELLING_LINES = 12


def lines(path: Path, count: int, *, follow: bool, alive: Callable[[], bool], clock: Clock = CLOCK) -> Iterator[str]:
    """Yield the last `count` lines; with `follow` go on until the writer has ended, across a rolled file."""
    if not path.exists():
        return
    file, part, last_look = path.open(encoding="utf-8", errors="replace"), "", False
    try:
        yield from (line.rstrip("\n") for line in deque(file, maxlen=max(count, 0)))
        while follow:
            part += file.readline()
            if part.endswith("\n"):
                yield part.rstrip("\n")
                part = ""
            elif path.exists() and path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                file.close()
                file = path.open(encoding="utf-8", errors="replace")
            elif last_look:
                return
            elif alive():
                clock.sleep(_POLL_S)
            else:
                last_look = True  # for what it wrote just before it ended
    finally:
        file.close()


def guilty(paths: Sequence[Path]) -> str:
    """Return the first errors of some logs with what follows them, or the last words where there are none."""
    for path in paths:
        if not path.exists():
            continue
        text = path.read_text(encoding="utf-8", errors="replace").splitlines()
        bad = [number for number, line in enumerate(text) if _BAD.search(line)]
        if bad:
            return "\n".join(text[bad[0] : bad[0] + _TELLING_LINES])
    said = [line for path in paths if path.exists() for line in path.read_text("utf-8", "replace").splitlines()]
    return "\n".join(said[-_TELLING_LINES:])
