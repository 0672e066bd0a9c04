"""Rules on ZooKeeper, which Kafka 3 and Confluent Platform 7 may still use (KC112)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone import addresses
from backbone.lint.kafka import clusters, network
from backbone.lint.kafka.images import parse_image
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.addresses import Endpoint
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project, Service
    from backbone.source.span import Span

_CLIENT = re.compile(
    # KAFKA_ZOOKEEPER_CONNECT of brokers and consoles, KAFKA_CFG_… of Bitnami, …KAFKASTORE_CONNECTION_URL of registries.
    r"(\w+_)?(ZOOKEEPER|ZK)_?(CONNECT(ION)?(_STRING)?|HOSTS?|SERVERS?|QUORUM|URL)|(\w+_)?KAFKASTORE_CONNECTION_URL",
    re.IGNORECASE,
)
_PORT_VARIABLES = {
    "cp-zookeeper": ("ZOOKEEPER_CLIENT_PORT", "ZOOKEEPER_SECURE_CLIENT_PORT"),
    "zookeeper": ("ZOO_PORT_NUMBER", "ZOO_PORT", "ZOO_SECURE_CLIENT_PORT", "ZOO_TLS_PORT_NUMBER"),
}
_CLIENT_PORT = 2181
_BY_KAFKAS_SCRIPT = re.compile(
    # As the images of Kafka start one: by its own script and the file that it is released with, in a shell or not.
    r"(?:\S*sh -e?c )?(?:exec )?\S*zookeeper-server-start(?:\.sh)? (?:\./|/opt/kafka/)?config/zookeeper\.properties"
)


@rule("KC112", "zookeeper-unreachable", Severity.ERROR)
def zookeeper_unreachable(project: Project) -> Iterator[Finding]:
    """Flag a broker, or another client of ZooKeeper, that connects to a host or port where none answers.

    Looked at: services with the image of Confluent, Bitnami, Debezium or ZooKeeper itself, those that Kafka's own
    script starts, and host names that nobody has. Left alone: hosts that may be outside the project, and ZooKeeper with
    a configuration file of its own.

    Why:
        The broker ends after its time limit: "Timed out waiting for connection while in state: CONNECTING".

    Fails:
        services:
          zookeeper:
            image: confluentinc/cp-zookeeper:7.9.0
            environment: {ZOOKEEPER_CLIENT_PORT: "2181"}
          kafka:
            image: confluentinc/cp-kafka:7.9.0
            environment: {KAFKA_BROKER_ID: "1", KAFKA_ZOOKEEPER_CONNECT: "zookeeper:2182"}

    Passes:
        services:
          zookeeper:
            image: confluentinc/cp-zookeeper:7.9.0
            environment: {ZOOKEEPER_CLIENT_PORT: "2181"}
          kafka:
            image: confluentinc/cp-kafka:7.9.0
            environment: {KAFKA_BROKER_ID: "1", KAFKA_ZOOKEEPER_CONNECT: "zookeeper:2181"}

    Source:
        zookeeper.connect; kafka.zookeeper.ZooKeeperClient
    """
    if not any(client_ports(service) for service in project.services.values()):
        return
    names, nodes = network.of(project), clusters.by_service(project)
    for service in project.services.values():
        for path, value in _told(service, nodes.get(service.name)):
            for endpoint in addresses.parse_endpoints(value):
                reason, other = _fault(service, endpoint, names)
                if reason:
                    yield Finding(
                        at=service.where(*path, part=endpoint.text),
                        message=f"{service.name} looks for ZooKeeper at {endpoint.text}: {reason}",
                        service=service.name,
                        evidence=f"{path[-1]}:{endpoint.text}",
                        label=reason,
                        help=_help(other) if other else "name the service that runs ZooKeeper, and its client port",
                        related=(Related(_port_place(other), "where it listens"),) if other else (),
                    )


def _told(service: Service, node: Node | None) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (path, value) of each address of ZooKeeper that a service is told, by variables or by a flag."""
    for variable, value in service.environment.items():
        if _CLIENT.fullmatch(variable):
            yield ("environment", variable), value
    flag = node.settings.get("zookeeper.connect") if node else None
    if flag and flag.flag and flag.path == flag.flag:
        yield flag.path, flag.value


def client_ports(service: Service) -> frozenset[int]:
    """Return the ports on which a ZooKeeper of a known image takes clients; empty for anything else."""
    image = parse_image(service.image)
    variables = _PORT_VARIABLES.get(image.name)
    configured = any(re.search(r"(\.cfg|\.properties|/conf(ig)?/?)$", target) for target in service.mounted)
    line = " ".join((*service.entrypoint, *service.command)).strip()
    if not configured and _BY_KAFKAS_SCRIPT.fullmatch(line):
        return frozenset({_CLIENT_PORT})
    if variables is None or configured or line:
        return frozenset()
    told = {int(service.environment[name]) for name in variables if service.environment.get(name, "").isdigit()}
    told |= {int(port) for port in re.findall(r"clientPort=(\d+)", service.environment.get("ZOO_CFG_EXTRA", ""))}
    return frozenset(told or {_CLIENT_PORT})


def _fault(client: Service, endpoint: Endpoint, names: network.Names) -> tuple[str, Service | None]:
    if network.on_host(client) and endpoint.host in addresses.LOOPBACK:
        return "", None  # any program of that machine may be meant
    found = names.resolve(client, endpoint.host)
    known = {service: ports for service in found if (ports := client_ports(service))}
    if known and not any(endpoint.port in ports for ports in known.values()):
        service, ports = next(iter(known.items()))
        return f"{service.name} listens on {', '.join(map(str, sorted(ports)))}", service
    if found or names.called(endpoint.host) or names.may_be_elsewhere(client, endpoint.host):
        return "", None
    return (
        "no service has this name" if endpoint.host not in addresses.LOOPBACK else "that is its own container"
    ), None


def _help(service: Service) -> str:
    return f"use {service.name}:{min(client_ports(service))}"


def _port_place(service: Service) -> Span:
    variables = _PORT_VARIABLES.get(parse_image(service.image).name, ())
    given = next((name for name in variables if service.environment.get(name)), "")
    return service.where("environment", given) if given else service.span
