"""The data on disk: whose it is, which cluster's, and how much of it there can be."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from backbone.doctor.finding import Finding, Register

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.doctor.evidence import Evidence

register = Register()

_MIN_FREE = 1 << 30
_FULL = 0.9
_IMAGE_USER = 1000
_GIB = 1 << 30


@register.check("D019", "The data's disk has room", "folders")
def disk_now(evidence: Evidence) -> Iterator[Finding]:
    """A broker whose disk is full takes its log directory offline."""
    for folder in evidence.folders or ():
        if folder.free < _MIN_FREE or folder.free < folder.total * (1 - _FULL):
            yield Finding(
                "error" if folder.free < _MIN_FREE else "warning",
                f"{folder.path}: {folder.free / _GIB:.1f} of {folder.total / _GIB:.1f} GiB free",
                "a broker whose disk is full stops («all log dirs have failed»)",
                "free some, or set DEFAULT_MESSAGE_BROKER_DIR in .env to a larger disk",
            )


@register.check("D020", "The disk holds what retention allows", "folders", "topics")
def disk_worst_case(evidence: Evidence) -> Iterator[Finding]:
    """Retention bounds each partition; the sum is what the disk must hold."""
    topics, folders = evidence.topics or (), evidence.folders or ()
    worst = sum(topic.partitions * topic.replicas * topic.bytes_per_partition for topic in topics)
    room = min((folder.free + folder.used_by_stack for folder in folders), default=worst)
    if worst > room:
        rows = [
            f"{topic.name} {topic.partitions} × {topic.replicas} × {topic.bytes_per_partition >> 20} MiB"
            for topic in topics
        ]
        yield Finding(
            "warning",
            f"{' + '.join(rows)} = {worst / _GIB:.1f} GiB > {room / _GIB:.1f} GiB",
            "partitions × replicas × (retention + one segment) is more than is free and used by the stack together",
            "lower KAFKA_LOG_RETENTION_BYTES in .env, or a topic's retention.bytes in topics.yml",
        )


@register.check("D021", "One cluster id in all log directories", "meta")
def one_cluster(evidence: Evidence) -> Iterator[Finding]:
    """Directories of two clusters never form one."""
    found = _values(evidence, "cluster.id")
    if len(set(found.values())) > 1:
        yield Finding(
            "error",
            ", ".join(f"{path}: {value}" for path, value in found.items()),
            "log directories of different clusters were mixed: copied, or removed in part",
            "put back the directories that belong together, or start with empty data\n./invoke nuke",
        )


@register.check("D022", "The data belongs to CLUSTER_ID", "meta")
def own_cluster(evidence: Evidence) -> Iterator[Finding]:
    """A broker refuses to start on another cluster's data."""
    wanted = next(
        (
            item.environment["CLUSTER_ID"]
            for item in evidence.model.services.values()
            if "CLUSTER_ID" in item.environment
        ),
        "",
    )
    for path, found in _values(evidence, "cluster.id").items():
        if wanted and found != wanted:
            yield Finding(
                "error",
                f"{path}: cluster.id={found}; CLUSTER_ID={wanted}",
                "CLUSTER_ID was changed, or .env was lost, after the data had been made («Invalid cluster.id»)",
                f"to keep the data, set CLUSTER_ID={found} in .env; or start with empty data\n./invoke nuke",
            )


@register.check("D023", "A node id of its own in each log directory", "meta")
def node_ids(evidence: Evidence) -> Iterator[Finding]:
    """Two nodes with one id shut each other out."""
    found = _values(evidence, "node.id")
    if len(set(found.values())) < len(found):
        yield Finding(
            "error",
            ", ".join(f"{path}: node.id={value}" for path, value in found.items()),
            "one node's log directory was copied over another's",
            "remove the copy: its partitions come back from the other replicas when the node starts empty",
        )


@register.check("D024", "Log directories are whole", "meta")
def whole(evidence: Evidence) -> Iterator[Finding]:
    """All nodes have data, or none has."""
    metas = evidence.meta or {}
    empty = [path for path, values in metas.items() if not values]
    if empty and len(empty) < len(metas):
        yield Finding(
            "warning",
            f"{', '.join(empty)}: no meta.properties, but the others have it",
            "one node has lost its data, or never started",
            "copy its partitions from the others, and see when they are whole\n./invoke up\n./invoke status",
        )


@register.check("D025", "Data folders can be written to", "folders")
def owners(evidence: Evidence) -> Iterator[Finding]:
    """The image runs as user 1000; without Docker it is the user's own."""
    wanted = _IMAGE_USER if evidence.engine_name == "docker" else None
    for folder in evidence.folders or ():
        if folder.read_only:
            yield Finding(
                "error",
                f"{folder.path} is on a disk that is mounted read-only",
                "the system mounts a disk so after an error of the disk, or somebody did",
                "see `dmesg` for the reason, mount it for writing again, then\n./invoke up",
            )
        elif wanted is not None and folder.owner not in (None, wanted) and folder.path.name.startswith("kafka-"):
            yield Finding(
                "warning",
                f"{folder.path} belongs to user {folder.owner}, the broker runs as {wanted}",
                "made by another engine or by hand; the one-shot kafka-folders hands it over at the next start",
                "./invoke up",
            )
        elif wanted is None and folder.owner is not None and not folder.writable:
            yield Finding(
                "error",
                f"{folder.path} belongs to user {folder.owner} and cannot be written to",
                "made by Docker, whose brokers run as another user",
                f'sudo chown -R "$(id -u)" {shlex.quote(str(folder.path))}\n'
                "or go on with Docker\n./invoke up --engine docker",
            )


@register.check("D045", "Log directories name their node", "meta")
def damaged_identity(evidence: Evidence) -> Iterator[Finding]:
    """A meta.properties that was cut short keeps its node from starting."""
    for path, found in (evidence.meta or {}).items():
        if found and not {"cluster.id", "node.id"} <= found.keys():
            yield Finding(
                "error",
                f"{path}/meta.properties lacks {', '.join(sorted({'cluster.id', 'node.id'} - found.keys()))}",
                "it was cut short: a full disk, a power cut, or an editor",
                f"mv {path} {path}.damaged && ./invoke up",
            )


@register.check("D058", "The cache can be written to", "cache")
def cache(evidence: Evidence) -> Iterator[Finding]:
    """What is not in it yet cannot be downloaded, and no start-up cache is kept."""
    folder = evidence.cache
    if folder and (folder.read_only or not folder.writable):
        yield Finding(
            "warning",
            f"{folder.path} cannot be written to",
            "its disk is mounted read-only" if folder.read_only else "it is another user's, or its mode forbids it",
            f"ls -ld {shlex.quote(str(folder.path))}\nor set XDG_CACHE_HOME to another folder",
        )


def _values(evidence: Evidence, key: str) -> Mapping[str, str]:
    return {path: values[key] for path, values in (evidence.meta or {}).items() if key in values}
