"""One stack for several test processes: the first starts it, the last stops it, and nobody stops what was there before.

Each process that uses it has a file with its identity. One that was killed is known by that it does not run any more:
the next that comes takes its file away, and the stack that it had started is theirs to stop.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock

from backbone import console
from backbone.errors import StackError
from backbone.stack import home, lifecycle, private
from backbone.stack.engine import choose, open_stack
from backbone.stack.engine.embedded import process
from backbone.stack.settings import Settings, ensure_env_file, make_lite
from backbone.testing.running import Running
from backbone.upgrade import pin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.stack.engine import Stack

PROFILES = ("messaging",)
_RUNS = frozenset({"starting", "running", "paused"})


@contextmanager
def stack(
    folder: Path | None = None,
    *,
    profiles: Sequence[str] = PROFILES,
    name: str = "",
    keep: bool = False,
    lite: bool = False,
) -> Iterator[Running]:
    """Give a running stack for a block.

    It is that of the home in `folder` (or where this process stands); without one it is a private stack, of this
    project or of a name, made for it. What this starts is stopped when its last user leaves, unless `keep`.
    lite: a private stack of one node without Connect, which starts sooner and has nothing to lose a broker of.
    """
    here = _settings(folder or Path.cwd(), name, lite=lite)
    engine, _ = choose(here, None)
    opened = partial(open_stack, here, engine=engine, downloads=console.download)
    pin.keep(here, partial(opened, ["*"]))
    ensure_env_file(here)
    running = Running(opened(list(profiles)), partial(opened, ["*"]), console.say)
    users = Users(here.state_dir / "users")
    with users.lock():
        users.enter(started=not _runs(running.stack))
        try:
            running.up()
            running.leases.reap()
        except BaseException:
            _leave(users, running, keep=keep)
            raise
    try:
        yield running
    finally:
        running.leases.close()
        with users.lock():
            _leave(users, running, keep=keep)


@dataclass(frozen=True, slots=True)
class Users:
    """The processes that use a stack, a file each, and whether one of them has started it."""

    folder: Path

    def lock(self) -> FileLock:
        """Return the lock under which users come and go."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "lock")

    def enter(self, *, started: bool) -> None:
        """Write down this process. started: nothing ran, so that it is the tests' to stop."""
        self.others()
        if started:
            self._mark.touch()
        process.adopt(self._own, process.Record(process.identify(psutil.Process())))

    def leave(self, *, keep: bool) -> bool:
        """Strike this process, and tell whether the stack is to be stopped. keep: it is nobody's from now on."""
        self._own.unlink(missing_ok=True)
        if keep:
            self._mark.unlink(missing_ok=True)
        stop = self._mark.exists() and not self.others()
        if stop:
            self._mark.unlink()
        return stop

    def others(self) -> list[Path]:
        """Return the files of those that still run; the rest is removed."""
        found = []
        for file in self.folder.glob("*.json"):
            record = process.read(file)
            if process.find(record.identity if record else None) is None:
                with suppress(OSError):  # something else of that name is no user, and nobody else's to remove
                    file.unlink(missing_ok=True)
            elif file != self._own:
                found.append(file)
        return found

    @property
    def _own(self) -> Path:
        return self.folder / f"{os.getpid()}.json"

    @property
    def _mark(self) -> Path:
        return self.folder / "started"


def _name_of(project: Path) -> str:
    """Return the name of the stack that belongs to a project's folder."""
    plain = re.sub(r"[^a-z0-9-]+", "-", project.name.lower()).strip("-")[:24] or "project"
    return f"{plain}-{hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:8]}"


def _leave(users: Users, running: Running, *, keep: bool) -> None:
    if users.leave(keep=keep):
        lifecycle.down(running.open_whole(), console.say)


def _runs(own: Stack) -> bool:
    return any(state.phase in _RUNS for state in own.engine.states())


def _settings(folder: Path, name: str, *, lite: bool) -> Settings:
    environ = dict(os.environ)
    if lite:
        found = private.ensure(f"{name or _name_of(folder)}-lite", environ)
        make_lite(found)
        return found
    if not name:
        try:
            return Settings(home.find(folder, environ), environ)
        except StackError as error:
            if error.reference != "no-home":
                raise
    return private.ensure(name or _name_of(folder), environ)
