"""A kernel's lock on a file, which goes with its last holder: a task, or a program that it had started for the work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from pathlib import Path


def shared_with_helpers(path: Path) -> FileLock:
    """Return a lock that programs started with close_fds=False hold as well (flock(2): by the open file).

    So whoever comes after a task that was killed waits until what it had started no longer writes.
    """
    return FileLock(path, on_acquired=lambda descriptor: os.set_inheritable(descriptor, True))  # noqa: FBT003 - its form
