"""What this checkout is set to: .env, the shell over it, versions that must agree, secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.doctor.finding import Finding, Register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.doctor.evidence import Evidence

register = Register()

_CLUSTER_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_OWNER_AND_GROUP = 0o640
_HEAP = re.compile(r"-Xmx(\d+)([kKmMgG]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_HEAP_VARIABLES = ("KAFKA_HEAP_OPTS", "JAVA_OPTS", "JAVA_OPTS_APPEND")


@register.check("D011", ".env has no keys that nothing reads")
def stale_keys(evidence: Evidence) -> Iterator[Finding]:
    """A renamed variable keeps its old line, which then does nothing."""
    if evidence.stale:
        yield Finding(
            "warning",
            f".env sets {', '.join(evidence.stale)}",
            "not in .env.example: renamed, removed or misspelt, so the Compose files' default holds instead",
            "put # before them\n./invoke doctor --fix",
            fix="comment-stale-keys",
        )


@register.check("D012", ".env has every key")
def missing_keys(evidence: Evidence) -> Iterator[Finding]:
    """A .env made before a variable came is not wrong, but shows less than there is to set."""
    missing = sorted(set(evidence.env_example) - set(evidence.env))
    if evidence.env and missing:
        yield Finding(
            "warning",
            f".env lacks {', '.join(missing)}",
            ".env is older than .env.example; the defaults hold",
            "add them with their defaults\n./invoke doctor --fix",
            fix="add-missing-keys",
        )


@register.check("D013", "CLUSTER_ID is a cluster id")
def cluster_id_form(evidence: Evidence) -> Iterator[Finding]:
    """16 bytes as 22 characters of URL-safe base64 (Kafka's Uuid)."""
    found = {
        item.environment["CLUSTER_ID"] for item in evidence.model.services.values() if "CLUSTER_ID" in item.environment
    }
    for value in sorted(found):
        if not _CLUSTER_ID.fullmatch(value) or value.startswith("-"):
            yield Finding(
                "error",
                f"CLUSTER_ID={value!r}",
                "not 22 characters of URL-safe base64: tools that parse it as a UUID fail later",
                "remove the line from .env between these two: the second makes a new one\n./invoke nuke\n./invoke up",
            )


@register.check("D014", "CLUSTER_ID is this checkout's own")
def cluster_id_own(evidence: Evidence) -> Iterator[Finding]:
    """Two clusters with one id mix up without an error."""
    default = evidence.env_example.get("CLUSTER_ID")
    if evidence.env and evidence.env.get("CLUSTER_ID") == default:
        yield Finding(
            "warning",
            f"CLUSTER_ID is {default}, the default of every checkout",
            ".env was copied by hand, or Docker Compose was used before any task",
            "as long as there is no data\nrm .env && ./invoke up",
        )


@register.check("D015", "The shell does not override .env")
def shell_overrides(evidence: Evidence) -> Iterator[Finding]:
    """Compose lets the environment win, silently."""
    both = sorted(key for key in evidence.env if key in evidence.shell and evidence.shell[key] != evidence.env[key])
    if both:
        rows = [f"{key}={evidence.shell[key]} (.env: {evidence.env[key]})" for key in both]
        yield Finding(
            "warning",
            "; ".join(rows),
            "exported in this shell, and Docker Compose prefers that to .env",
            f"unset {' '.join(both)}",
        )


@register.check("D016", "Images and locked artifacts agree")
def lock_drift(evidence: Evidence) -> Iterator[Finding]:
    """Both engines are to run one version."""
    for image, version in evidence.lock.items():
        tag = image.partition("@")[0].rpartition(":")[2]
        if tag.removeprefix("v") != version:
            yield Finding(
                "warning",
                f"image {image}, locked artifact {version}",
                "one was changed without the other: the engines run different versions",
                "change the image's variable in .env, or infra/artifacts.lock.json (nox -s jars)",
            )


@register.check("D017", "Secrets are readable by their owner only")
def secret_modes(evidence: Evidence) -> Iterator[Finding]:
    """Owner may write, the service's group may read; nobody else."""
    for path, mode in sorted(evidence.secret_modes.items()):
        if mode & ~_OWNER_AND_GROUP:
            yield Finding(
                "error",
                f"{path} has mode {mode:04o}",
                "every user of this machine can read it",
                "set the mode to 0640\n./invoke doctor --fix",
                fix="close-secrets",
            )


@register.check("D018", "Heaps leave room in their limits")
def heaps(evidence: Evidence) -> Iterator[Finding]:
    """A JVM needs as much again beside its heap; a broker's page cache wants more."""
    for service in evidence.model.services.values():
        text = " ".join(service.environment.get(name, "") for name in _HEAP_VARIABLES)
        match = _HEAP.search(text)
        if match is None or not service.mem_limit:
            continue
        heap = int(match[1]) * _UNITS[match[2].lower()]
        if heap * 2 > service.mem_limit:
            yield Finding(
                "warning",
                f"{service.name}: heap {heap >> 20} MiB in a limit of {service.mem_limit >> 20} MiB",
                "more than half: metaspace, threads and buffers do not fit beside it, and it is killed (137)",
                f"lower -Xmx or raise the *_MEM_LIMIT of {service.name} in .env",
            )
