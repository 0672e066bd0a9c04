"""Save and restore the data of a stack, and start a new stack from a snapshot."""

from __future__ import annotations

import os
import shlex
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backbone import resources
from backbone.errors import ExitCode, StackError
from backbone.snapshots import cut, sparse, store
from backbone.snapshots.manifest import SECRETS, Manifest
from backbone.snapshots.store import Store
from backbone.stack import kafka_versions, lifecycle, settings, swap
from backbone.stack.engine.embedded.preflight import MIN_FREE_DISK
from backbone.stack.engine.embedded.runtimes.postgres import NEW_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from backbone.snapshots.cut import Parts
    from backbone.stack.engine import Stack
    from backbone.stack.engine.base import Progress
    from backbone.stack.engine.embedded.preflight import DiskUsage
    from backbone.stack.readiness import Watcher
    from backbone.stack.settings import Settings


def of(here: Settings) -> Store:
    """Return the snapshots of a home; `nuke` leaves them."""
    return Store(here.state_dir / "snapshots")


def save(
    stack: Stack, name: str, *, timeout: float, progress: Progress, watch: Watcher, secrets: bool = False
) -> Manifest:
    """Keep all data of a stack under a name: it is stopped, copied, and what ran runs again.

    stack: of all profiles. Raises StackError("snapshot-exists"), "snapshot-name", "nothing-to-save".
    """
    snapshots = of(stack.settings)
    snapshots.demand_new(name)
    with lifecycle.exclusive(stack.settings, progress), store.disk():
        parts = cut.folders(stack, secrets=secrets)
        if not any(_filled(parts, part) for part in parts):
            raise StackError("nothing-to-save", "there is no data yet", hint="./invoke up", exit_code=ExitCode.NOTHING)
        with lifecycle.stopped(stack, timeout=timeout, progress=progress, watch=watch), snapshots.new(name) as folder:
            stack.engine.take_over(list(parts.values()))
            manifest = Manifest(
                name=name,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                program=resources.version(),
                engine=stack.engine.name,
                identity=cut.identity(stack),
                metadata_version=cut.metadata_version(stack),
                secrets=secrets,
                entries=store.take(parts, folder, progress),
            )
            store.seal(manifest, folder)
    return manifest


def demand_room(stack: Stack, disk_usage: Callable[[Path], DiskUsage] = shutil.disk_usage) -> None:
    """Raise StackError("snapshot-room") unless the disk takes a copy of all data and MIN_FREE_DISK stays free."""
    files = (file for folder in cut.folders(stack).values() for file in folder.rglob("*"))
    needed = sum(sparse.allocated(file) for file in files)
    if needed + MIN_FREE_DISK > (free := disk_usage(stack.settings.root).free):
        raise StackError(
            "snapshot-room",
            f"a snapshot needs {needed >> 20} MiB, and {free >> 20} MiB are free",
            context=f"{MIN_FREE_DISK >> 20} MiB have to stay free for the brokers",
            hint=f"df -h {shlex.quote(str(stack.settings.root))}\n./invoke snapshot list",
            exit_code=ExitCode.ENVIRONMENT,
        )


def restore(stack: Stack, name: str, *, timeout: float, progress: Progress, watch: Watcher) -> Manifest:
    """Make the data of a stack what it was when it was saved; what ran runs again. What was written since is gone.

    stack: of all profiles. Every byte is checked, and the new data written beside the old, while the stack still runs.
    Raises StackError("no-such-snapshot"), "snapshot-damaged", "snapshot-newer" or "snapshot-foreign" before that.
    """
    snapshots = of(stack.settings)
    manifest = snapshots.load(name)
    if others := cut.check(manifest, stack):
        progress(f"saved under another configuration (ports, versions or settings) of {', '.join(others)}")
    with lifecycle.exclusive(stack.settings, progress), store.disk():
        _stage(stack, snapshots, manifest, progress)
        with lifecycle.stopped(stack, timeout=timeout, progress=progress, watch=watch, replaced=True):
            swap.commit(stack.settings.state_dir)
    return manifest


def check(stack: Stack, manifest: Manifest) -> None:
    """Do all that `restore` does before it stops anything: every byte is read and compared."""
    cut.check(manifest, stack)
    of(stack.settings).verify(manifest)


def bring(here: Settings, file: Path, progress: Progress, name: str = "") -> Manifest:
    """Take a snapshot from an exported file; see `Store.bring`."""
    with lifecycle.exclusive(here, progress):
        return of(here).bring(file, progress, name)


def remove(here: Settings, name: str, progress: Progress) -> None:
    """Remove a snapshot, whole or damaged; StackError("no-such-snapshot")."""
    with lifecycle.exclusive(here, progress), store.disk():
        of(here).remove(name)


def clear(here: Settings, progress: Progress) -> None:
    """Remove what killed tasks have left of snapshots."""
    if of(here).rests():
        with lifecycle.exclusive(here, progress), store.disk():
            of(here).sweep()


def adopt(stack: Stack, name: str, progress: Progress, source: Store | None = None) -> Manifest:
    """Let a home without data begin with a snapshot, whatever cluster that is of: it becomes that cluster.

    source: where the snapshot is, if not in that home.
    Raises what `restore` does, and StackError("data-exists") if there is data.
    """
    snapshots = source or of(stack.settings)
    manifest = snapshots.load(name)
    cut.check(manifest, stack, any_cluster=True)
    with lifecycle.exclusive(stack.settings, progress), store.disk():
        parts = cut.folders(stack)
        if there := [str(parts[part]) for part in parts if _filled(parts, part)]:
            raise StackError(
                "data-exists",
                f"this stack has data already; {name} was not taken",
                context="\n".join(there),
                hint=f"in place of it, if it is the same cluster's:\n./invoke snapshot restore {name}",
                exit_code=ExitCode.USAGE,
            )
        ours, theirs = cut.identity(stack), manifest.identity
        own = {"CLUSTER_ID": theirs.cluster_id} if ours.cluster_id != theirs.cluster_id else {}
        if ours.kafka != theirs.kafka and theirs.kafka in kafka_versions.known(stack.settings):
            own[kafka_versions.VARIABLE] = theirs.kafka  # data moves to a later Kafka when its owner says so
        if own:
            settings.assign(stack.settings.env_file, own)
        _stage(stack, snapshots, manifest, progress)
        swap.commit(stack.settings.state_dir)
    return manifest


def _stage(stack: Stack, snapshots: Store, manifest: Manifest, progress: Progress) -> None:
    """Write a snapshot's data beside the stack's, checked; until `swap.commit` that is all."""
    parts = cut.folders(stack, secrets=manifest.secrets)
    stack.engine.take_over(list(parts.values()))
    swaps = {part: swap.of(live) for part, live in parts.items()}
    swap.begin(stack.settings.state_dir, swaps.values())
    try:
        snapshots.put(manifest, {part: each.fresh for part, each in swaps.items()}, progress)
        if not manifest.secrets:
            for part in cut.databases(stack):
                (swaps[part].fresh / NEW_PASSWORD).touch()
        os.sync()  # the swap removes the old: after a power cut the new has to be there
    except BaseException:
        swap.finish(stack.settings.state_dir)
        raise


def _filled(parts: Parts, part: str) -> bool:
    """Tell whether a part other than the secrets has anything in it."""
    return part != SECRETS and parts[part].is_dir() and any(parts[part].iterdir())
