"""Rules on starting, stopping and bounds (KC408 to KC412)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.lint.kafka import clusters
from backbone.lint.kafka.images import parse_image
from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.health_checks import seconds
from backbone.lint.rules.storage import memory_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project, Service
    from backbone.source.span import Span

_GRACE_S = 30
_DOCKER_GRACE_S = 10
_UNBOUNDED_DRIVERS = frozenset({"", "json-file"})


@rule("KC408", "profile-not-closed", Severity.ERROR)
def profile_not_closed(project: Project) -> Iterator[Finding]:
    """Flag a service that needs another which some profile does not start.

    Needs are: depends_on (unless `required: false`), a shared network namespace, volumes_from, links. In a project
    without a policy it is a warning where some profile starts both: the others may be meant to be given together.

    Why:
        Compose refuses that profile: "service … depends on undefined service …: invalid compose project".

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1", profiles: [messaging]}
          prometheus: {image: "prom/prometheus:v3.13.3", profiles: [obs], depends_on: [kafka]}

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1", profiles: [messaging]}
          prometheus: {image: "prom/prometheus:v3.13.3", profiles: [messaging], depends_on: [kafka]}

    Source:
        Compose specification, profiles
    """
    for service in project.services.values():
        for name, at in _needs(service):
            target = project.services.get(name)
            if target is None or not target.profiles:
                continue
            missing = sorted(service.profiles - target.profiles)
            if missing or not service.profiles:
                start = f"profile {', '.join(missing)}" if missing else "no profile"
                yield Finding(
                    at=at,
                    message=f"{service.name} starts with {start}, but needs {name}, which only "
                    f"{', '.join(sorted(target.profiles))} starts",
                    service=service.name,
                    evidence=name,
                    label=f"not there with {start}",
                    help=f"put both into the same profiles, or make {name} `required: false`",
                    related=(Related(target.where("profiles"), f"the profiles of {name}"),),
                    severity=Severity.WARNING if project.foreign and service.profiles & target.profiles else None,
                )


def _needs(service: Service) -> Iterator[tuple[str, Span]]:
    """Yield each service that another cannot start without, and where it says so."""
    for name, body in (service.body.get("depends_on") or {}).items():
        if body.get("required", True):
            yield name, service.where("depends_on", name)
    kind, _, name = str(service.body.get("network_mode") or "").partition(":")
    if kind == "service":
        yield name, service.where("network_mode")
    for key in ("volumes_from", "links"):
        for index, entry in enumerate(service.body.get(key) or ()):
            yield str(entry).partition(":")[0], service.where(key, index)


@rule("KC409", "stop-grace-too-short", Severity.WARNING)
def stop_grace_too_short(project: Project) -> Iterator[Finding]:
    """Flag a broker that is killed before a controlled shutdown can end: less than 30 s.

    Why:
        Docker kills after 10 s when nothing is said. A broker hands over its partitions (up to 3 tries, 5 s
        apart) and flushes its logs; killed in between it recovers them at the next start, and clients wait
        for new leaders.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: "broker,controller"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            stop_grace_period: 60s
            environment: {KAFKA_NODE_ID: "1", KAFKA_PROCESS_ROLES: "broker,controller"}

    Source:
        org.apache.kafka.server.config.ServerConfigs, controlled shutdown; confluentinc/kafka-images#30
    """
    for node in clusters.brokers(project):
        written = node.service.body.get("stop_grace_period")
        grace = seconds(written, _DOCKER_GRACE_S)
        if grace < _GRACE_S:
            yield Finding(
                at=node.service.where("stop_grace_period") if written else node.service.span,
                message=f"{node.name} is killed after {grace:g} s, before a controlled shutdown may end",
                service=node.name,
                evidence="stop_grace_period",
                label=f"{grace:g} s" if written else "no stop_grace_period: 10 s",
                help="set stop_grace_period: 60s or more",
            )


@rule("KC410", "log-unbounded", Severity.WARNING)
def log_unbounded(project: Project) -> Iterator[Finding]:
    """Flag a json-file log without max-size, and note a service that says nothing about its log.

    Other drivers rotate by themselves or keep no file.

    Why:
        json-file keeps everything: a broker that logs a warning for each request fills the disk, and then
        every container on the machine stops.

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1", logging: {driver: json-file}}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}

    Source:
        Docker documentation, JSON File logging driver
    """
    for service in project.services.values():
        logging = service.body.get("logging") or {}
        options = logging.get("options") or {}
        if str(logging.get("driver") or "") not in _UNBOUNDED_DRIVERS or options.get("max-size"):
            continue
        said = service.has("logging")
        yield Finding(
            at=service.key("logging") if said else service.span,
            message=f"the log of {service.name} may grow without bound",
            service=service.name,
            evidence="max-size",
            label="no max-size" if said else "no logging: the daemon's default",
            help='set logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}',
            severity=Severity.WARNING if said else Severity.INFO,
        )


@rule("KC411", "resources-unbounded", Severity.WARNING)
def resources_unbounded(project: Project) -> Iterator[Finding]:
    """Flag a service without a memory limit; without a CPU limit it is a note.

    Why:
        One service that leaks or spins takes the machine from all the others, and the kernel picks its victim
        among them.

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1"}

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1", mem_limit: 1g, cpus: 2}

    Source:
        specification, section 8: services declare resource bounds
    """
    for service in project.services.values():
        memory, _ = memory_limit(service)
        limits = ((service.body.get("deploy") or {}).get("resources") or {}).get("limits") or {}
        cpu = any(service.body.get(key) for key in ("cpus", "cpu_quota", "cpu_shares", "cpuset")) or limits.get("cpus")
        missing = [word for word, found in (("memory", memory), ("CPU", cpu)) if not found]
        if missing:
            yield Finding(
                at=service.span,
                message=f"{service.name} has no {' and no '.join(missing)} limit",
                service=service.name,
                evidence=",".join(missing),
                label="takes what it wants",
                help="set " + " and ".join({"memory": "mem_limit", "CPU": "cpus"}[word] for word in missing),
                severity=Severity.WARNING if "memory" in missing else Severity.INFO,
            )


@rule("KC412", "versions-mixed", Severity.WARNING)
def versions_mixed(project: Project) -> Iterator[Finding]:
    """Flag two images of one product family with different versions.

    Families are the parts of the Confluent Platform that are released together, and each Kafka image. Control Center
    next-gen with its Prometheus and Alertmanager, kcat, Flink and others have versions of their own and pass, and
    so do two builds of one version.

    Why:
        Parts of a platform are tested together; brokers of two versions agree on the older features only.

    Fails:
        services:
          kafka: {image: "confluentinc/cp-kafka:8.3.0"}
          registry: {image: "confluentinc/cp-schema-registry:7.5.0"}

    Passes:
        services:
          kafka: {image: "confluentinc/cp-kafka:8.3.0"}
          registry: {image: "confluentinc/cp-schema-registry:8.3.0"}

    Source:
        Confluent documentation, supported versions
    """
    families: dict[str, list[tuple[Service, str]]] = {}
    for service in project.services.values():
        image = parse_image(service.image)
        family = "the Confluent Platform" if image.is_platform_part else image.repository if image.vendor else ""
        if family and image.version and not service.body.get("build"):
            families.setdefault(family, []).append((service, image.release))
    for family, members in families.items():
        tags = [tag for _, tag in members]
        usual = max(dict.fromkeys(tags), key=tags.count)
        reference = next(service for service, tag in members if tag == usual)
        for service, tag in members:
            if tag != usual:
                yield Finding(
                    at=service.where("image"),
                    message=f"{service.name} is {tag} of {family}, {reference.name} is {usual}",
                    service=service.name,
                    evidence=tag,
                    label="another version",
                    help=f"use {usual} everywhere, best by one variable",
                    related=(Related(reference.where("image"), f"{usual} here"),),
                )
