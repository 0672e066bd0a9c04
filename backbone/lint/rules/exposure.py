"""Rules on addresses and host ports (KC501, KC502, KC503)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from backbone.lint.model import Finding, Related, Severity, rule
from backbone.lint.rules.published_ports import is_open

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Port, Project, Service

_ADDRESSES = ("ipv4_address", "ipv6_address", "link_local_ips")


@rule("KC501", "static-address", Severity.WARNING)
def static_address(project: Project) -> Iterator[Finding]:
    """Flag a service with a fixed address on a network.

    Why:
        Docker's DNS knows every service by its name. A fixed address clashes with another project's subnet,
        and with the next service that somebody copies.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            networks: {infra_net: {ipv4_address: 172.19.0.11}}
        networks: {infra_net: {ipam: {config: [{subnet: 172.19.0.0/16}]}}}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            networks: {infra_net: {aliases: [broker]}}
        networks: {infra_net: {}}

    Source:
        REQ-SPC-MSG-003
    """
    for service in project.services.values():
        for name, settings in service.networks.items():
            for key in _ADDRESSES:
                if settings.get(key):
                    yield Finding(
                        at=service.where("networks", name, key),
                        message=f"{service.name} has the fixed address {settings[key]} on {name}",
                        service=service.name,
                        evidence=f"{name}:{key}",
                        label="a fixed address",
                        help=f"remove it and use the name {service.name}",
                    )


@rule("KC502", "host-port-duplicate", Severity.ERROR)
def host_port_duplicate(project: Project) -> Iterator[Finding]:
    """Flag two services that publish the same port of the host.

    Protocols and addresses count: 127.0.0.1 and 127.0.0.2 do not clash, 0.0.0.0 clashes with both. A range of host
    ports for one container port passes: Docker takes the first that is free. For two services that no single profile
    starts together it is a note: they may be alternatives.

    Why:
        The second to start fails: "Bind for 127.0.0.1:9092 failed: port is already allocated". Compose does
        not see it before.

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1", ports: ["127.0.0.1:9092:9092"]}
          ui: {image: "ghcr.io/kafbat/kafka-ui:v1.4.2", ports: ["127.0.0.1:9090-9093:8080-8083"]}

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1", ports: ["127.0.0.1:9092:9092"]}
          ui: {image: "ghcr.io/kafbat/kafka-ui:v1.4.2", ports: ["127.0.0.2:9092:8080"]}

    Source:
        Docker documentation, port publishing
    """
    taken: dict[tuple[str, int], list[tuple[Service, Port]]] = {}
    told: set[tuple[str, int, str, int]] = set()
    for service in project.services.values():
        for port in service.ports:
            first, last = port.published or (1, 0)
            for number in (first,) if first == last else ():
                others = taken.setdefault((port.protocol, number), [])
                for other, earlier in others:
                    pair = (service.name, port.index, other.name, earlier.index)
                    if pair not in told and _same_address(port, earlier):
                        told.add(pair)
                        yield _port_clash(service, port, other, earlier, number)
                others.append((service, port))


def _port_clash(service: Service, port: Port, other: Service, earlier: Port, number: int) -> Finding:
    who = "twice" if other is service else f", and so does {other.name}"
    return Finding(
        at=service.where("ports", port.index),
        message=f"{service.name} publishes host port {number}{' ' * (other is service)}{who}",
        service=service.name,
        evidence=f"{port.protocol}:{number}:{other.name}",
        label="the same port again",
        help=f"give {service.name} another host port",
        related=(Related(other.where("ports", earlier.index), "first published here"),),
        severity=None if service.starts_beside(other) else Severity.INFO,
    )


def _same_address(one: Port, other: Port) -> bool:
    if is_open(one) or is_open(other):
        return True
    return _normal(one.host_ip) == _normal(other.host_ip)


def _normal(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address.strip("[]")))
    except ValueError:
        return address


@rule("KC503", "port-on-all-interfaces", Severity.WARNING)
def port_on_all_interfaces(project: Project) -> Iterator[Finding]:
    """Flag a published port without an address, or on 0.0.0.0 or ::.

    Why:
        Everybody on the same network reaches it, past the host's firewall: Docker writes its own rules before
        it. A Kafka listener without passwords is then everybody's.

    Fails:
        services:
          kafka: {image: "apache/kafka:4.3.1", ports: ["9092:9092"]}

    Passes:
        services:
          kafka: {image: "apache/kafka:4.3.1", ports: ["127.0.0.1:9092:9092"]}

    Source:
        Docker documentation, packet filtering and firewalls
    """
    for service in project.services.values():
        for port in service.ports:
            if is_open(port):
                published = port.published[0] if port.published else ""
                yield Finding(
                    at=service.where("ports", port.index),
                    message=f"{service.name} publishes {published or 'a port'} on every address of the host",
                    service=service.name,
                    evidence=f"{port.protocol}:{published or port.target}",
                    label="every address",
                    help=f"write 127.0.0.1:{published}:{port.target}",
                )
