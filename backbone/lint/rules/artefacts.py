"""Rules on what a service is made of: images and mounted binaries (KC506, KC508)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.lint.kafka.images import parse_image
from backbone.lint.model import Finding, Severity, rule
from backbone.source import git_ignore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project

_MOVING = frozenset({"", "latest", "stable", "edge", "main", "master", "nightly", "dev", "snapshot"})
_BUILD_FOLDERS = frozenset({"target", "build", "dist", "out"})
_BINARIES = frozenset({".jar", ".war", ".so", ".dylib", ".dll", ".exe", ".whl", ".deb", ".rpm", ".zip", ".tgz"})


@rule("KC506", "image-not-exact", Severity.WARNING)
def image_not_exact(project: Project) -> Iterator[Finding]:
    """Flag an image without a tag or with one that moves; a tag of a major version alone is a note.

    A digest, and an image that the project builds, pass.

    Why:
        Tomorrow's pull is another program: a cluster that worked yesterday meets a new major version unasked.

    Fails:
        services:
          kafka: {image: "apache/kafka:latest"}

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1"}

    Source:
        Docker documentation, image tags and digests
    """
    for service in project.services.values():
        image = parse_image(service.image)
        if not service.image or image.digest or service.body.get("build") or service.image.endswith(":"):
            continue  # `name:${TAG}` with TAG unset: KC303 says it, and Compose refuses to pull `name:`
        moving = image.tag.lower() in _MOVING
        major_only = bool(re.fullmatch(r"v?\d+(-\w+)?", image.tag))
        if moving or major_only:
            tag = image.tag or "no tag"
            yield Finding(
                at=service.where("image"),
                message=f"{service.name} uses {image.repository} with {tag}, which is another image tomorrow",
                service=service.name,
                evidence=image.tag or "none",
                label="moves" if image.tag else "no tag means latest",
                help="name an exact version, or a digest",
                severity=Severity.WARNING if moving else Severity.INFO,
            )


def _is_kept(path: Path, project: Project) -> bool:
    """Whether a file lies in the project's folder and is part of the repository rather than a build's output."""
    if not path.is_file() or not path.is_relative_to(project.directory):
        return False
    return not (_BUILD_FOLDERS & set(path.relative_to(project.directory).parts) or git_ignore.ignored(path))


@rule("KC508", "binary-mounted", Severity.WARNING)
def binary_mounted(project: Project) -> Iterator[Finding]:
    """Flag a binary artefact (a jar, an archive, a library) of the repository that is mounted.

    What a build or a download makes passes: a file that is not there, lies in a build's output folder (target,
    build, dist, out), or is git-ignored.

    Why:
        A binary in a repository has no origin that anybody can check, and is updated by nobody. Fetch it by
        its coordinates and checksum while the image is built.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            volumes: ["./jmx_prometheus_javaagent.jar:/opt/agent.jar:ro"]
        --- jmx_prometheus_javaagent.jar
        PK

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            volumes: ["./jmx.yml:/opt/jmx.yml:ro"]

    Source:
        specification, section 2: JMX exporter configuration
    """
    for service in project.services.values():
        for mount in service.mounts:
            source = project.directory / mount.source
            binary = source.suffix in _BINARIES or Path(mount.target).suffix in _BINARIES
            if mount.kind == "bind" and binary and _is_kept(source, project):
                yield Finding(
                    at=service.where("volumes", mount.index),
                    message=f"{service.name} mounts the binary {source.name} from the repository",
                    service=service.name,
                    evidence=source.name,
                    label="a binary of unknown origin",
                    help="fetch it by version and checksum in the image's Dockerfile",
                )
