"""Rules on health checks (KC401, KC402, KC406, KC407)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.addresses import ANY_ADDRESS, LOOPBACK
from backbone.lint.kafka import clients, speakers, web
from backbone.lint.kafka.images import parse_image
from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.one_shots import one_shots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project, Service

WAIT_LIMIT_S = 300
"""How long somebody waits for a stack to become healthy, at most."""

_DEFAULTS_S = {"interval": 30.0, "timeout": 30.0, "start_period": 0.0}  # Docker's own
_DEFAULT_RETRIES = 3
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_HEALTHY = "service_healthy"
_OFFICIAL = frozenset(
    # Docker's official images hold none (docker-library/faq, "Healthcheck"); these stand beside Kafka.
    {"cassandra", "couchdb", "elasticsearch", "haproxy", "httpd", "influxdb", "kibana", "mariadb", "memcached", "mongo",
     "mysql", "nats", "neo4j", "nginx", "postgres", "rabbitmq", "redis", "traefik", "zookeeper"}
)  # fmt: skip
_SELF = r"(?P<self>localhost|127\.0\.0\.1|0\.0\.0\.0|\$\{?HOSTNAME\}?|\$\(hostname(?: -\w)?\)|`hostname`|%s)"
_PROBES = (
    r"/dev/tcp/{self}/(?P<port>\d+)",
    r"\bnc\s[^;&|]*?{self}\s+(?P<port>\d+)",
    r"--bootstrap-(?:server|controller)s?[=\s]+[\"']?{self}:(?P<port>\d+)",
    r"(?:kcat|kafkacat|kafka-ready)\b[^;&|]*?-b\s*[\"']?{self}:(?P<port>\d+)",
    r"--broker-list[=\s]+[\"']?{self}:(?P<port>\d+)",
)
_AGENT_PORT = re.compile(r"(?:-javaagent:[^\s=]*=(?:[\w.]+:)?|\.port=)(\d+)")
_HTTP = r"https?://{self}:(?P<port>\d+)"


def seconds(text: object, default: float) -> float:
    """Return the seconds of a duration such as `1m30s`; the default for what is none."""
    parts = re.findall(r"([\d.]+)(h|ms|us|ns|m|s)", str(text or ""))
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else default


@rule("KC401", "healthcheck-missing", Severity.WARNING)
def healthcheck_missing(project: Project) -> Iterator[Finding]:
    """Flag a long-running service without a health check.

    Services that run once pass, and so do those that only build an image others use.

    Why:
        Nothing can wait for it: `up --wait` and depends_on count a container as ready the moment its process
        starts.

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            healthcheck: {test: [CMD, bash, -c, "exec 3<>/dev/tcp/localhost/9092"]}

    Source:
        specification, section 8: services declare health checks
    """
    once = one_shots(project)
    for name, service in project.services.items():
        if service.healthcheck is None and name not in once:
            disabled = service.has("healthcheck")
            yield Finding(
                at=service.key("healthcheck") if disabled else service.span,
                message=f"{name} {'disables its' if disabled else 'has no'} health check",
                service=name,
                evidence="healthcheck",
                label="disabled here" if disabled else "no healthcheck",
                help="add one that asks the service for the thing others need of it",
            )


@rule("KC402", "healthy-dependency-without-check", Severity.ERROR)
def healthy_dependency_without_check(project: Project) -> Iterator[Finding]:
    """Flag a wait for the health of a service that has no health check.

    Whether an image holds a health check of its own is not seen here: it is an error for images that are known to hold
    none (Kafka's, Confluent's, Bitnami's, Debezium's, and Docker's official ones), else a warning.

    Why:
        `up` fails at run time: "container … has no healthcheck configured".

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1"}
          ui:
            image: ghcr.io/kafbat/kafka-ui:v1.4.2
            depends_on: {kafka: {condition: service_healthy}}

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1"}
          ui:
            image: ghcr.io/kafbat/kafka-ui:v1.4.2
            depends_on: {kafka: {condition: service_started}}

    Source:
        docker/compose pkg/compose/convergence.go; https://github.com/docker-library/faq#healthcheck
    """
    for service in project.services.values():
        for name, condition in service.depends_on.items():
            target = project.services.get(name)
            if condition != _HEALTHY or target is None or target.healthcheck is not None:
                continue
            disabled = target.has("healthcheck")
            yield Finding(
                at=service.where("depends_on", name),
                message=f"{service.name} waits until {name} is healthy, but {name} has no health check",
                service=service.name,
                evidence=name,
                label="waits for health",
                help=f"give {name} a healthcheck, or wait with service_started",
                related=(Related(target.key("healthcheck") if disabled else target.span, "never healthy"),),
                severity=Severity.ERROR if disabled or _holds_none(target) else Severity.WARNING,
            )


def _holds_none(service: Service) -> bool:
    """Whether a service's image is known to hold no health check."""
    image = parse_image(service.image)
    official = image.repository.removeprefix("library/") in _OFFICIAL
    return not service.body.get("build") and bool(
        image.vendor or image.is_platform_part or image.is_connect or image.is_redpanda or official
    )


@rule("KC406", "health-timing", Severity.WARNING)
def health_timing(project: Project) -> Iterator[Finding]:
    """Flag a health check whose timeout is longer than its interval, or that says "unhealthy" after minutes.

    Why:
        Checks do not overlap: with a longer timeout one hanging probe stretches the interval and hides the
        state for that long. And what becomes unhealthy only after 5 minutes outlasts whoever waits for it.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            healthcheck: {test: [CMD, "true"], interval: 15s, timeout: 30s}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            healthcheck: {test: [CMD, "true"], interval: 15s, timeout: 10s}

    Source:
        Docker documentation, HEALTHCHECK
    """
    for service in project.services.values():
        check = service.healthcheck
        if check is None:
            continue
        interval, timeout, start = (seconds(check.get(key), default) for key, default in _DEFAULTS_S.items())
        if timeout > interval and check.get("timeout"):
            yield Finding(
                at=service.where("healthcheck", "timeout"),
                message=f"{service.name} has a health timeout of {timeout:g} s, over its interval",
                service=service.name,
                evidence="timeout",
                label=f"longer than {interval:g} s",
                help=f"set the timeout to at most {interval:g}s",
                related=(Related(service.where("healthcheck", "interval"), "the interval"),)
                if service.has("healthcheck", "interval")
                else (),
            )
        retries = int(check.get("retries") or _DEFAULT_RETRIES)
        if (total := start + interval * retries) > WAIT_LIMIT_S:
            yield Finding(
                at=service.key("healthcheck"),
                message=f"{service.name} is unhealthy only after {total:g} s",
                service=service.name,
                evidence="total",
                label=f"start_period {start:g} s + {retries} x {interval:g} s",
                help=f"keep start_period + interval x retries under {WAIT_LIMIT_S} s",
            )


@rule("KC407", "health-port-unknown", Severity.ERROR)
def health_port_unknown(project: Project) -> Iterator[Finding]:
    """Flag a health check that asks the container where it does not listen: another port, or another address.

    Looked at: TCP and Kafka probes of Kafka nodes and Redpanda; HTTP probes of Connect, Schema Registry, REST Proxy and
    ksqlDB. Ports of JMX and of a Java agent count as the node's own. A listener that is bound to the container's name
    (`PLAINTEXT://kafka:9092`) does not answer on localhost, and one bound to localhost only there.

    Why:
        The service never becomes healthy, and what waits for it never starts.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LISTENERS: "PLAINTEXT://:19092"}
            healthcheck: {test: [CMD, bash, -c, "exec 3<>/dev/tcp/localhost/9092"]}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment: {KAFKA_NODE_ID: "1", KAFKA_LISTENERS: "PLAINTEXT://:19092"}
            healthcheck: {test: [CMD, bash, -c, "exec 3<>/dev/tcp/localhost/19092"]}

    Source:
        Docker documentation, HEALTHCHECK
    """
    nodes = speakers.by_service(project)
    for service in project.services.values():
        if service.healthcheck is None:
            continue
        node = nodes.get(service.name)
        server = None if node else web.server_of(service)
        if node and node.complete and node.listeners:
            bound = [(listener.port, listener.host) for listener in node.listeners]
            yield from _wrong_probes(service, _PROBES, bound, "listeners")
        elif server:
            bound = [(port, host) for port in server.ports for host in server.hosts]
            yield from _wrong_probes(service, (_HTTP,), bound, "HTTP ports")


def _wrong_probes(
    service: Service, patterns: tuple[str, ...], bound: list[tuple[int, str]], what: str
) -> Iterator[Finding]:
    own = _SELF % "|".join(re.escape(name) for name in {service.name, service.hostname} - {""})
    ports = {port for port, _ in bound} | _side_ports(service)
    # Patterns of a service's own names are compiled for it alone: only for words that may name a port.
    texts = [(path, text) for path, text in clients.probes_of(service) if any(map(str.isdigit, text))]
    for path, match in (
        (path, m) for path, text in texts for p in patterns for m in re.finditer(p.replace("{self}", own), text)
    ):
        port, asked = int(match["port"]), match["self"]
        known = ", ".join(map(str, sorted(ports)))
        hosts = {host for number, host in bound if number == port}
        if port not in ports:
            message, fix = f"asks port {port}, its {what} are {known}", f"ask {known}"
        elif hosts and not _answers(asked, hosts):
            where = ", ".join(sorted(hosts))
            message, fix = (
                f"asks {asked}, but port {port} is bound to {where} alone",
                f"ask {where}:{port}, or bind 0.0.0.0",
            )
        else:
            continue
        yield Finding(
            at=service.where(*path, part=match["port"]),
            message=f"the health check of {service.name} {message}",
            service=service.name,
            evidence=match["port"],
            label="nothing listens here",
            help=fix,
        )


def _answers(asked: str, hosts: set[str]) -> bool:
    """Whether what is bound answers at what is asked: localhost is the loopback, a name is the container's address."""
    if hosts & ANY_ADDRESS:
        return True
    loopback = asked in LOOPBACK or asked in ANY_ADDRESS
    return bool(hosts & LOOPBACK) if loopback else bool(hosts - LOOPBACK)


def _side_ports(service: Service) -> set[int]:
    """Return ports of JMX and Java agents: every `=PORT:` and …PORT of the environment."""
    found: set[int] = set()
    for variable, value in service.environment.items():
        if variable.endswith("PORT") and value.isdigit():
            found.add(int(value))
        found.update(int(port) for port in _AGENT_PORT.findall(value))
    return found
