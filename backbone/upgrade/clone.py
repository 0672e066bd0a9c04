"""A clone of a stack beside it: its plain files, the data of a snapshot, ports of its own; gone when the block ends.

It runs without Docker whatever engine the stack has, because the data is the same. One that a killed task has left
is removed by the next.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from backbone.errors import ExitCode, StackError
from backbone.snapshots import cut, operations
from backbone.source import env_file
from backbone.stack import home, kafka_versions, private
from backbone.stack.engine import open_stack
from backbone.stack.engine.embedded import census
from backbone.stack.settings import Settings, assign
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from backbone.snapshots.manifest import Manifest
    from backbone.snapshots.store import Store
    from backbone.stack.engine import Stack
    from backbone.stack.engine.base import Progress
    from backbone.stack.engine.embedded.artifacts import Downloads

FOLDER = "clone"
"""Below the state folder of the stack that is cloned."""

_SECRETS = Path("secrets")
_ENDS_S = 30.0


@dataclass(frozen=True, slots=True)
class Clone:
    """A home with brokers only. source: the snapshots of the stack it is cloned from; manifest: the one it has."""

    settings: Settings
    source: Store
    manifest: Manifest
    downloads: Downloads

    @property
    def version(self) -> str:
        """The Kafka version that wrote the data."""
        return self.manifest.identity.kafka

    def open(self, renewed: Collection[str] = ()) -> Stack:
        """Open the brokers of it: some as the files say now, the others as they run."""
        stack = open_stack(self.settings, ["*"], "embedded", self.downloads, renewed)
        return replace(stack, model=stack.model.only(stack.brokers))

    def begin(self, progress: Progress) -> None:
        """Give it the data and the version of the snapshot, in place of any that it has; nothing runs then."""
        assign(self.settings.env_file, {kafka_versions.VARIABLE: self.version})
        stack = open_stack(self.settings, ["*"], "embedded", self.downloads)
        stack.engine.stop(list(stack.model.services), progress)
        self._demand_own(stack)
        stack.engine.remove_data(lambda _: None)
        operations.adopt(stack, self.manifest.name, progress, self.source)

    def _demand_own(self, stack: Stack) -> None:
        """Raise StackError("clone-outside") if the Compose files put data where the stack's own may be."""
        root = self.settings.root.resolve()
        if outside := [str(each) for each in cut.folders(stack).values() if root not in each.resolve().parents]:
            raise StackError(
                "clone-outside",
                "a clone would write where this stack has its data; nothing was touched",
                context="\n".join(outside),
                hint="name the folders in the Compose files by ${DEFAULT_MESSAGE_BROKER_DIR} and ${DEFAULT_DATA_DIR}",
                exit_code=ExitCode.USAGE,
            )


@contextmanager
def beside(origin: Settings, manifest: Manifest, downloads: Downloads, progress: Progress) -> Iterator[Clone]:
    """Make a clone of a home from one of its snapshots, and remove it after the block, whatever ended that.

    Raises StackError("clone-busy") while another task has one, and what `snapshot restore` raises.
    """
    folder = origin.state_dir / FOLDER
    origin.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(origin.state_dir / f"{FOLDER}.lock", timeout=0):
            _remove(folder)
            try:
                progress(f"a clone of {manifest.name} beside the stack, in {folder}")
                yield _made(origin, folder, manifest, downloads, progress)
            finally:
                progress("removing the clone")
                _remove(folder)
    except Timeout as error:
        raise StackError(
            "clone-busy",
            "another task has a clone of this stack",
            hint="./invoke stacks",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def _made(origin: Settings, folder: Path, manifest: Manifest, downloads: Downloads, progress: Progress) -> Clone:
    home.write(folder, home.copies(origin.root, folder))
    values = origin.variables()
    names = env_file.read(origin.values_file, {}).keys()
    file = folder / ".env"
    shutil.copy2(origin.values_file, file)
    examples = env_file.read(folder / ".env.example", {})
    # What the shell sets counts for the clone too, but not where things are.
    by_shell = {name: origin.environ[name] for name in names if name in origin.environ}
    assign(file, by_shell | {name: examples[name] for name in names if name.endswith("_DIR") and name in examples})
    own = Settings(folder, {name: value for name, value in origin.environ.items() if name not in names})
    secrets = origin.root / values.get("SECRETS_DIR", str(_SECRETS))
    if secrets.is_dir():
        shutil.copytree(secrets, own.root / own.variables().get("SECRETS_DIR", str(_SECRETS)))
    private.settle(own, f"backbone-{FOLDER}", origin.values_file)
    made = Clone(own, operations.of(origin), manifest, downloads)
    made.begin(progress)
    return made


def _remove(folder: Path) -> None:
    """Kill what runs in a clone's folder, for its data goes too, and remove it."""
    census.stop(_running(folder), grace=0)
    wait_until(lambda: not _running(folder), what=f"the end of what runs in {folder}", timeout=_ENDS_S)
    shutil.rmtree(folder, ignore_errors=True)


def _running(folder: Path) -> list[census.Found]:
    return [found for found in census.find() if found.folder == folder]
