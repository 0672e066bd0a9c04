"""What of a stack is its data, whose it is, and whether a snapshot fits it.

All state is in the folders that Kafka and PostgreSQL write: the registry and Kafka Connect keep theirs in topics.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from backbone.errors import ExitCode, StackError
from backbone.snapshots import metadata
from backbone.snapshots.manifest import SECRETS, Identity
from backbone.stack import kafka_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.snapshots.manifest import Manifest
    from backbone.stack.compose import Service
    from backbone.stack.engine import Stack

Parts: TypeAlias = "Mapping[str, Path]"
"""Name of a part of the data → its folder on this machine."""

_KAFKA, _POSTGRES = "kafka", "postgres"
_VERSION = re.compile(r":v?(\d+(?:\.\d+)*)")


def folders(stack: Stack, *, secrets: bool = False) -> dict[str, Path]:
    """Return part → folder on this machine: what each Kafka node and PostgreSQL write, and the secrets on request."""
    found = {}
    for service in _keepers(stack).values():
        written = [mount for mount in service.mounts if mount.kind == "bind" and not mount.read_only]
        for number, mount in enumerate(written):
            found[f"{service.name}.{number}" if number else service.name] = Path(mount.source)
    if secrets:
        found[SECRETS] = stack.settings.root / stack.settings.variables().get("SECRETS_DIR", "secrets")
    return found


def databases(stack: Stack) -> list[str]:
    """Return the parts that are PostgreSQL's."""
    return [name for name, each in _keepers(stack).items() if _runtime(each) == _POSTGRES]


def identity(stack: Stack) -> Identity:
    """Return whose data a stack has, as its files say it."""
    keepers = _keepers(stack)
    nodes = {name: each for name, each in keepers.items() if _runtime(each) == _KAFKA}
    clusters = {each.environment.get("CLUSTER_ID", "") for each in nodes.values()}
    return Identity(
        cluster_id="".join(sorted(clusters)),
        nodes={name: each.environment.get("KAFKA_NODE_ID", "") for name, each in nodes.items()},
        parts=tuple(folders(stack)),
        kafka=next((found for each in nodes.values() if (found := kafka_versions.of(each))), ""),
        postgres=" ".join(_database(each) for each in keepers.values() if _runtime(each) == _POSTGRES),
        config={name: _hash(each) for name, each in stack.model.services.items() if each.embedded},
    )


def metadata_version(stack: Stack) -> int | None:
    """Return the highest metadata.version that the Kafka nodes' data has, None if it is not formatted yet."""
    places = folders(stack)
    found = (metadata.level(places[name]) for name in identity(stack).nodes)
    return max((level for level in found if level is not None), default=None)


def check(manifest: Manifest, stack: Stack, *, any_cluster: bool = False) -> list[str]:
    """Refuse a snapshot that this stack cannot run on; return the services whose configuration is another than then.

    any_cluster: the stack has no data yet, and takes the snapshot's cluster id. Raises StackError("snapshot-newer")
    or "snapshot-foreign".
    """
    theirs, ours = manifest.identity, identity(stack)
    if ours.kafka and _numbers(theirs.kafka) > _numbers(ours.kafka):
        raise StackError(
            "snapshot-newer",
            f"{manifest.name} was written by Kafka {theirs.kafka}, this stack runs {ours.kafka}; nothing was touched",
            context="a version does not read what a later one has formatted (Kafka's upgrade notes)",
            hint=f"run Kafka {theirs.kafka} or later here",
            exit_code=ExitCode.USAGE,
        )
    differing = [
        f"{what}: {their or 'none'} there, {our or 'none'} here"
        for what, their, our in (
            ("cluster id", theirs.cluster_id, theirs.cluster_id if any_cluster else ours.cluster_id),
            ("Kafka nodes", _listed(theirs.nodes), _listed(ours.nodes)),
            ("data folders", ", ".join(sorted(theirs.parts)), ", ".join(sorted(ours.parts))),
            ("PostgreSQL", theirs.postgres, ours.postgres),
        )
        if their != our
    ]
    if differing:
        raise StackError(
            "snapshot-foreign",
            f"{manifest.name} belongs to another stack; nothing was touched",
            context="\n".join(differing),
            hint=_way(manifest, ours, any_cluster=any_cluster),
            exit_code=ExitCode.USAGE,
        )
    return sorted(name for name, found in theirs.config.items() if ours.config.get(name) != found)


def _way(manifest: Manifest, ours: Identity, *, any_cluster: bool) -> str:
    """Return how this snapshot comes to run, though not on this stack as it is."""
    theirs = manifest.identity
    if theirs.postgres != ours.postgres:
        return "set POSTGRES_USER and POSTGRES_DB in .env to what they were there"
    lite = " --lite" if len(theirs.nodes) == 1 < len(ours.nodes) else ""
    if any_cluster and not lite:
        return "set STACK_SIZE in .env to what it was there, and see that the Compose files are the same"
    file = f"{manifest.name}.tar.zst"
    return f"./invoke snapshot export {manifest.name} {file}\n./invoke up{lite} --name restored --from {file}"


def _keepers(stack: Stack) -> dict[str, Service]:
    return {name: each for name, each in stack.model.services.items() if _runtime(each) in {_KAFKA, _POSTGRES}}


def _runtime(service: Service) -> str:
    return str(service.embedded.get("runtime", ""))


def _database(service: Service) -> str:
    major = found[1].partition(".")[0] if (found := _VERSION.search(service.image)) else ""
    return " ".join((major, service.environment.get("POSTGRES_USER", ""), service.environment.get("POSTGRES_DB", "")))


def _hash(service: Service) -> str:
    said = {key: value for key, value in service.raw.items() if key not in {"profiles", "volumes", "build"}}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _listed(nodes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {node}" for name, node in sorted(nodes.items()))
