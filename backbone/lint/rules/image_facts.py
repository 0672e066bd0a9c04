"""Rules on what an image declares and holds, and where it is (KC151, KC413, KC509)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.kafka import clients, clusters
from backbone.lint.kafka.images import APACHE, BITNAMI, CONFLUENT, parse_image
from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.storage import data_dirs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.kafka.images import Image
    from backbone.lint.project import Mount, Project, Service


_VOLUMES = {
    # Where an image has a VOLUME for data, as its Dockerfile says; Bitnami's have none.
    CONFLUENT: ("/var/lib/kafka/data",),
    APACHE: ("/var/lib/kafka/data",),
}
_OTHER_VOLUMES = {
    "confluentinc/cp-zookeeper": ("/var/lib/zookeeper/data", "/var/lib/zookeeper/log"),
    "postgres": ("/var/lib/postgresql/data",),
}
_POSTGRES_MOVED = (18, 0)
"""From this version on the VOLUME of postgres is /var/lib/postgresql itself."""

_CALLED = (
    # Where a shell expects a command: first of all, after an operator, a keyword, `-c`, or what runs its arguments.
    r"(?:^|[;&|(`\n!{]|\b(?:then|do|else|if|while|until|exec|time|nohup)\s|\btimeout\s+\S+|\s-\w*c\s)"
    r"\s*[\"']?(?:\w+=\S*\s+)*"
)
_KAFKA_TOOL = re.compile(
    _CALLED + r"(?P<called>(?P<folder>(?:/[\w.-]+)+/)?(?P<tool>kafka-(?:topics|configs|acls|broker-api-versions"
    r"|consumer-groups|console-(?:consumer|producer)|metadata-quorum|storage|cluster|leader-election|get-offsets"
    r"|features|reassign-partitions|log-dirs|run-class|server-start))(?P<suffix>\.sh)?)(?![\w.-])"
)
_OTHER_TOOL = re.compile(_CALLED + r"(?P<tool>cub|rpk|curl|kcat|kafkacat)(?=\s|$)")
_TOOL_FOLDERS = {APACHE: "/opt/kafka/bin/", CONFLUENT: "/usr/bin/", BITNAMI: "/opt/bitnami/kafka/bin/"}
_KNOWN_FOLDERS = frozenset({"", "/bin/", *_TOOL_FOLDERS.values()})
_LACKS = {
    APACHE: frozenset({"cub", "rpk", "curl", "kcat", "kafkacat"}),
    CONFLUENT: frozenset({"rpk", "kcat", "kafkacat"}),
    BITNAMI: frozenset({"cub", "rpk", "kcat", "kafkacat"}),
}
_LAST_KAFKA = "4.0.0"
"""The last tag of Kafka that is in bitnamilegacy."""

_ASKS_THE_PORT = "ask whether the port is open: nc -z localhost 9092"
_ON_DOCKER_HUB = frozenset({"", "docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


@rule("KC151", "volume-above-image-volume", Severity.ERROR)
def volume_above_image_volume(project: Project) -> Iterator[Finding]:
    """Flag a volume that is mounted above the folder for which the image declares a VOLUME.

    Looked at: the data of Kafka nodes, of Confluent's ZooKeeper and of postgres before 18.

    Why:
        Docker mounts an anonymous volume on that folder, inside the one that is named. The data is in the anonymous
        one: `docker compose down` leaves it behind, and the next `up` begins empty.

    Fails:
        services:
          kafka:
            image: confluentinc/cp-kafka:8.2.0
            volumes: ["data:/var/lib/kafka"]
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: broker}
        volumes: {data: {}}

    Passes:
        services:
          kafka:
            image: confluentinc/cp-kafka:8.2.0
            volumes: ["data:/var/lib/kafka/data"]
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: broker}
        volumes: {data: {}}

    Source:
        Dockerfiles of confluentinc/kafka-images, apache/kafka and postgres; Docker documentation, VOLUME
    """
    found: dict[tuple[str, int], tuple[Service, Mount, str]] = {}
    for node in clusters.nodes(project):
        for data in data_dirs(node):
            for volume in _VOLUMES.get(node.vendor, ()):
                if data.mount and _is_in(data.path, volume) and _is_above(data.mount, volume):
                    found[node.name, data.mount.index] = (node.service, data.mount, volume)
    for service in project.services.values():
        for volume in _other_volumes(parse_image(service.image)):
            holding = [mount for mount in service.mounts if _is_in(volume, mount.target)]
            mount = max(holding, key=lambda mount: len(mount.target), default=None)
            if mount and _is_above(mount, volume):
                found.setdefault((service.name, mount.index), (service, mount, volume))
    for service, mount, volume in found.values():
        yield Finding(
            at=service.where("volumes", mount.index),
            message=f"{service.name} mounts {mount.target}, but its image has a volume of its own on {volume}",
            service=service.name,
            evidence=volume,
            label=f"does not hold {volume}",
            help=f"mount it on {volume}",
        )


def _other_volumes(image: Image) -> tuple[str, ...]:
    if image.repository in ("postgres", "library/postgres"):
        major = re.match(r"\d+", image.tag)
        return _OTHER_VOLUMES["postgres"] if major and int(major[0]) < _POSTGRES_MOVED[0] else ()
    return _OTHER_VOLUMES.get(image.repository, ())


def _is_in(path: str, folder: str) -> bool:
    return path == folder.rstrip("/") or path.startswith(folder.rstrip("/") + "/")


def _is_above(mount: Mount, volume: str) -> bool:
    return mount.kind in ("volume", "bind") and volume.startswith(mount.target.rstrip("/") + "/")


@rule("KC413", "command-not-in-image", Severity.ERROR)
def command_not_in_image(project: Project) -> Iterator[Finding]:
    """Flag a health check, or a script, that runs a tool under a name or in a folder that its image does not have.

    Confluent's tools have no `.sh`, Bitnami's end in it, those of apache/kafka lie in /opt/kafka/bin, which is not on
    its PATH, and apache/kafka-native has none. curl, cub, rpk and kcat are looked for too. Left alone: images that are
    built or not known, services that set PATH.

    Why:
        The shell says "command not found" and returns 127: the container never becomes healthy, and what waits for it
        never starts.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            healthcheck: {test: [CMD-SHELL, "kafka-topics.sh --bootstrap-server localhost:9092 --list"]}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            healthcheck: {test: [CMD-SHELL, "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --list"]}

    Source:
        the images' Dockerfiles: apache/kafka docker/jvm, confluentinc/kafka-images, bitnami/containers
    """
    for service in project.services.values():
        image = parse_image(service.image)
        vendor = image.vendor
        if not vendor or service.body.get("build") or "PATH" in service.environment:
            continue
        for path, text, checks in _commands(service):
            if re.search(r"\bPATH=|\bcd\s+/|alias\s", text):
                continue
            what = "the health check" if checks else "the command"
            for called, reason, fix in _absent(text, vendor, native=image.name == "kafka-native"):
                yield Finding(
                    at=service.where(*path, part=called),
                    message=f"{what} of {service.name} runs {called}, {reason}",
                    service=service.name,
                    evidence=called,
                    label="not found in this image",
                    help=fix,
                    related=() if checks else (Related(service.where("image"), "this image"),),
                )


def _commands(service: Service) -> Iterator[tuple[tuple[str | int, ...], str, bool]]:
    """Yield (path, text, whether it is the health check's) of what a service runs."""
    probe = clients.probe_of(service)
    for index, word in enumerate(probe):
        # Without a shell only the first word is a command; the rest are its arguments.
        if probe[0] != "CMD" or index == 1 or any(re.fullmatch(r"(.*/)?\w*sh", each) for each in probe[1:2]):
            yield ("healthcheck", "test", index), word, True
    for path, text in clients.commands_of(service):
        yield path, text, False


def _absent(text: str, vendor: str, *, native: bool) -> Iterator[tuple[str, str, str]]:
    """Yield (what is called, why it is not there, what to call) of each tool that an image lacks."""
    folder = _TOOL_FOLDERS[vendor]
    suffix = "" if vendor == CONFLUENT else ".sh"
    for match in _KAFKA_TOOL.finditer(text):
        given = match["folder"] or ""
        if given not in _KNOWN_FOLDERS:
            continue  # a folder that somebody mounted
        if native:
            yield match["called"], "but its image has none of Kafka's tools", f"use apache/kafka, or {_ASKS_THE_PORT}"
            continue
        right = (folder if vendor == APACHE else "") + match["tool"] + suffix
        misplaced = given != folder if given else vendor == APACHE
        if misplaced or (match["suffix"] or "") != suffix:
            yield match["called"], f"which is called {right} in its image", f"write {right}"
    for match in _OTHER_TOOL.finditer(text):
        if match["tool"] in _LACKS[vendor]:
            advice = _ASKS_THE_PORT if native else "use one of Kafka's tools, for example kafka-topics"
            yield match["tool"], "which its image does not have", advice


@rule("KC509", "image-gone", Severity.ERROR)
def image_gone(project: Project) -> Iterator[Finding]:
    """Flag an image of Bitnami that Docker Hub has no longer: each by a version, and bitnami/kafka by any tag.

    `latest` of others, digests, other registries and images that the project builds pass.

    Why:
        In August 2025 Bitnami took every versioned tag out of docker.io/bitnami, and Kafka altogether; the pull fails:
        "manifest unknown". The old ones are in docker.io/bitnamilegacy, without updates.

    Fails:
        services:
          kafka: {image: "bitnami/kafka:3.9.0"}

    Passes:
        services:
          kafka: {image: "bitnamilegacy/kafka:3.9.0"}

    Source:
        https://github.com/bitnami/containers/issues/83267, https://github.com/bitnami/containers/issues/86597
    """
    for service in project.services.values():
        image = parse_image(service.image)
        versioned = image.tag not in ("", "latest")
        kept = image.tag if versioned else _LAST_KAFKA
        gone = not image.digest and (versioned or image.repository == "bitnami/kafka")
        pulled = not service.body.get("build") and service.body.get("pull_policy") not in ("never", "build")
        if image.host in _ON_DOCKER_HUB and image.repository.startswith("bitnami/") and gone and pulled:
            yield Finding(
                at=service.where("image"),
                message=f"{service.name} uses {service.image}, which Docker Hub no longer has",
                service=service.name,
                evidence=image.repository,
                label="gone since August 2025",
                help=f"use bitnamilegacy/{image.name}:{kept}, or an image that is still kept",
            )
