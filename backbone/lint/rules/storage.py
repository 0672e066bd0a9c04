"""Rules on where a broker's data lies and how much memory it may take (KC147 to KC150)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.lint.kafka import clusters
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Mount, Project, Service

_FOR_READING = re.compile(r"/(etc|usr|opt|run|var/run|mnt/shared|docker-entrypoint\S*|certs?|secrets?)/|.*\.\w+$")
_HEAP = "KAFKA_HEAP_OPTS"
_DEFAULT_HEAP = 1 << 30  # bin/kafka-server-start.sh: -Xmx1G when KAFKA_HEAP_OPTS is not set
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, eq=False)
class DataDir:
    """One log directory: the mount it lies on, and its place in the mount's source ("" at its top)."""

    node: Node
    path: str
    mount: Mount | None
    inside: str

    @property
    def place(self) -> str:
        """What two brokers must not share: the source with the folder inside it."""
        if self.mount is None or not self.mount.source:
            return ""
        return posixpath.normpath(posixpath.join(self.mount.source, self.inside))


def data_dirs(node: Node) -> Iterator[DataDir]:
    """Yield each log directory of a node with the deepest mount that holds it."""
    for path in node.log_dirs:
        holding = [mount for mount in node.service.mounts if _holds(mount.target, path)]
        mount = max(holding, key=lambda mount: len(mount.target), default=None)
        inside = posixpath.relpath(path, mount.target) if mount else ""
        if mount:
            body = (node.service.body.get("volumes") or ())[mount.index]
            sub = str((body.get("volume") or {}).get("subpath") or "")
            inside = posixpath.join(sub, inside)
        yield DataDir(node, path, mount, inside)


def _may_hold_data(mount: Mount) -> bool:
    """Whether a mount may be meant for data; certificates, scripts and plug-ins that are mounted are not."""
    return mount.kind == "volume" or (not mount.read_only and not _FOR_READING.match(mount.target))


def _holds(target: str, path: str) -> bool:
    return path == target.rstrip("/") or path.startswith(target.rstrip("/") + "/")


@rule("KC147", "data-not-on-volume", Severity.WARNING)
def data_not_on_volume(project: Project) -> Iterator[Finding]:
    """Flag a log directory that lies on no declared volume, bind mount or tmpfs.

    A volume that the image itself declares does not count: it has no name, and `down` leaves it orphaned. In a project
    without a policy it is a note for a node that mounts nothing that could hold data: it may be meant to forget.

    Why:
        The data is in the container's own layer: `docker compose down`, or a new image, and every message is
        gone.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LOG_DIRS: /var/lib/kafka/data}
            volumes: ["data:/var/lib/kafka-data"]
        volumes: {data: {}}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LOG_DIRS: /var/lib/kafka/data}
            volumes: ["data:/var/lib/kafka/data"]
        volumes: {data: {}}

    Source:
        log.dirs; apache/kafka docker/server.properties
    """
    for node in clusters.nodes(project):
        tmpfs = [str(entry).partition(":")[0] for entry in _list(node.service.body.get("tmpfs"))]
        for data in data_dirs(node):
            if data.mount or any(_holds(target, data.path) for target in tmpfs) or not node.complete:
                continue
            prop = next((name for name in ("log.dirs", "log.dir") if node.is_set(name)), "log.dirs")
            yield Finding(
                at=node.where(prop, part=data.path),
                message=f"{node.name} keeps its data in {data.path}, which is on no volume",
                service=node.name,
                evidence=data.path,
                label="gone with the container" if node.is_set(prop) else f"log.dirs is {data.path} by default",
                help=f"add a volume with the target {data.path}",
                related=tuple(
                    Related(node.service.where("volumes", m.index), m.target) for m in node.service.mounts[:2]
                ),
                severity=None
                if not project.foreign or any(map(_may_hold_data, node.service.mounts))
                else Severity.INFO,
            )


@rule("KC148", "data-shared", Severity.ERROR)
def data_shared(project: Project) -> Iterator[Finding]:
    """Flag two nodes that keep their data in the same place.

    Two folders of one volume, by log.dirs or `subpath`, are two places.

    Why:
        The second ends at once: "Failed to acquire lock on file .lock in …", or "Stored node id … doesn't
        match previous node id … in …/meta.properties".

    Fails:
        services:
          kafka-1: &kafka
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LOG_DIRS: /data}
            volumes: ["data:/data"]
          kafka-2:
            <<: *kafka
            environment: {KAFKA_NODE_ID: "2", KAFKA_LOG_DIRS: /data}
        volumes: {data: {}}

    Passes:
        services:
          kafka-1: &kafka
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LOG_DIRS: /data/1}
            volumes: ["data:/data"]
          kafka-2:
            <<: *kafka
            environment: {KAFKA_NODE_ID: "2", KAFKA_LOG_DIRS: /data/2}
        volumes: {data: {}}

    Source:
        kafka.log.LogManager; kafka.server.BrokerMetadataCheckpoint
    """
    first: dict[str, DataDir] = {}
    for node in clusters.nodes(project):
        for data in data_dirs(node):
            other = first.setdefault(data.place, data)
            if not data.place or other.node is node or data.mount is None or other.mount is None:
                continue
            yield Finding(
                at=node.service.where("volumes", data.mount.index),
                message=f"{node.name} and {other.node.name} share {_shown(data.place, project)}",
                service=node.name,
                evidence=data.path,
                label="the same place again",
                help=f"give {node.name} a volume or a folder of its own",
                related=(Related(other.node.service.where("volumes", other.mount.index), other.node.name),),
                severity=None if node.service.starts_beside(other.node.service) else Severity.INFO,
            )


@rule("KC149", "data-outside-folder", Severity.ERROR)
def data_outside_folder(project: Project) -> Iterator[Finding]:
    """Flag a broker whose data is not kept under the folder that the policy's variable names.

    Speaks only where the policy names such a variable (`data_dir_variable`). The bind mount's source, or the
    volume's `device`, must be written with it.

    Why:
        Who moves the data by setting the variable would leave this broker's behind.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LOG_DIRS: /data}
            volumes: ["./kafka:/data"]
        --- policy.toml
        [require]
        data_dir_variable = "DATA_DIR"

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LOG_DIRS: /data}
            volumes: ["${DATA_DIR:-./data}/kafka:/data"]
        --- policy.toml
        [require]
        data_dir_variable = "DATA_DIR"

    Source:
        REQ-SPC-MSG, section 3: data under ${DEFAULT_MESSAGE_BROKER_DIR}
    """
    variable = project.require.data_dir_variable
    if not variable:
        return
    for node in clusters.brokers(project):
        for data in data_dirs(node):
            if data.mount is None:
                continue
            paths = _source_paths(project, node.service, data.mount)
            used = {one.name for path in paths for one in project.sources.used(*path)}
            if variable not in used:
                yield Finding(
                    at=project.where(*paths[0]),
                    message=f"{node.name} keeps its data outside ${{{variable}}}",
                    service=node.name,
                    evidence=data.path,
                    label=f"without ${{{variable}}}",
                    help=f"write ${{{variable}}}/kafka/{node.name}:{data.mount.target}",
                )


@rule("KC150", "heap-exceeds-limit", Severity.WARNING)
def heap_exceeds_limit(project: Project) -> Iterator[Finding]:
    """Flag a Kafka node whose heap takes more than half of its memory limit, or that has a heap and no limit.

    Without KAFKA_HEAP_OPTS the heap is 1 GiB. A heap without any limit is a note only.

    Why:
        Kafka reads and writes through the page cache, which counts against the same limit; with no room left
        for it and for the JVM's own memory the kernel kills the broker (exit code 137).

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            mem_limit: 1g
            environment: {KAFKA_NODE_ID: "1", KAFKA_HEAP_OPTS: -Xmx900m}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            mem_limit: 1g
            environment: {KAFKA_NODE_ID: "1", KAFKA_HEAP_OPTS: -Xmx512m}

    Source:
        apache/kafka docs/operations/hardware-and-os.md; bin/kafka-server-start.sh
    """
    for node in clusters.nodes(project):
        written = node.service.environment.get(_HEAP, "")
        heap, part = heap_bytes(written)
        limit, at_limit = memory_limit(node.service)
        if limit and heap * 2 > limit:
            yield Finding(
                at=node.service.where("environment", _HEAP, part=part) if written else node.service.where(*at_limit),
                message=f"{node.name} has a heap of {_mib(heap)}, over half its limit of {_mib(limit)}",
                service=node.name,
                evidence="heap",
                label=f"heap {_mib(heap)}" if written else f"{_HEAP} is not set: the heap is {_mib(heap)}",
                help=f"set {_HEAP}: -Xmx{limit // 2 >> 20}m, or a limit of {heap * 2 >> 20}m",
                related=(Related(node.service.where(*at_limit), "the limit"),) if written else (),
            )
        elif written and part and not limit:
            yield Finding(
                at=node.service.where("environment", _HEAP, part=part),
                message=f"{node.name} has a heap of {_mib(heap)} and no memory limit",
                service=node.name,
                evidence="no-limit",
                label="no mem_limit bounds what it takes beside the heap",
                help=f"set mem_limit: {heap * 2 >> 20}m",
                severity=Severity.INFO,
            )


def heap_bytes(options: str) -> tuple[int, str]:
    """Return the maximum heap of JVM options, in bytes, and the flag that says so."""
    flags = list(re.finditer(r"-Xmx(\d+)([kKmMgGtT]?)", options))
    if not flags:
        return _DEFAULT_HEAP, ""
    return int(flags[-1][1]) * _UNITS[flags[-1][2].lower()], flags[-1][0]


def memory_limit(service: Service) -> tuple[int, tuple[str, ...]]:
    """Return a service's memory limit in bytes, 0 without one, and the path that says so."""
    if limit := service.body.get("mem_limit"):
        return int(limit), ("mem_limit",)
    limits = ((service.body.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    return int(limits.get("memory") or 0), ("deploy", "resources", "limits", "memory")


def _source_paths(project: Project, service: Service, mount: Mount) -> list[tuple[str | int, ...]]:
    """Return the paths that may write a mount's source: of the volume's device, or of the service's entry."""
    options = (project.section("volumes").get(mount.source) or {}).get("driver_opts") or {}
    if mount.kind == "volume" and options.get("device"):
        return [("volumes", mount.source, "driver_opts", "device")]
    entry = ("services", service.name, "volumes", mount.index)
    return [entry, (*entry, "source")]


def _shown(place: str, project: Project) -> str:
    """Return a place as a reader of the project knows it: relative to its folder."""
    inside = posixpath.relpath(place, project.directory.as_posix()) if place.startswith("/") else place
    return place if inside.startswith("..") else inside


def _list(value: object) -> list[object]:
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, list) else []


def _mib(size: int) -> str:
    return f"{size >> 20} MiB"
