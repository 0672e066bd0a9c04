"""Does Git leave a path out? What a build makes is no part of a repository.

The .gitignore files from the path's folder up to the repository's top are read (gitignore(5)); git itself is not run.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_BYTES = 64 * 1024


def ignored(path: Path) -> bool:
    """Say whether a path, or a folder that holds it, is git-ignored. The last pattern that fits decides."""
    answer = False
    for folder, pattern in _patterns(path):
        negated = pattern.startswith("!")
        if _fits(path.relative_to(folder).as_posix(), pattern.removeprefix("!")):
            answer = not negated
    return answer


def _patterns(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield (folder, pattern) of every .gitignore that counts for a path, the outermost first."""
    folders = []
    for folder in path.parents:
        folders.append(folder)
        if (folder / ".git").exists():
            break
    for folder in reversed(folders):
        lines = (line.strip() for line in reading.peek(folder / ".gitignore", _MAX_BYTES).splitlines())
        yield from ((folder, line) for line in lines if line and not line.startswith("#"))


def _fits(path: str, pattern: str) -> bool:
    """Whether a pattern fits a path, or one of the folders on the way to it."""
    anchored = "/" in pattern.rstrip("/")
    body = pattern.strip("/").removeprefix("**/")
    # `*` of gitignore stays inside a folder, that of fnmatch does not; `**` crosses folders in both.
    words = re.sub(r"(?<!\.)\.\*(?!\*)", "[^/]*", translate(body.replace("**", "\0"))).replace("\0", ".*")
    steps = path.split("/")
    folders = ["/".join(steps[: n + 1]) for n in range(len(steps))]
    names = folders if anchored else steps
    return any(re.fullmatch(words, name) for name in names)
