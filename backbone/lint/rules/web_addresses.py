"""Rules on the addresses of registries, Connect workers, REST proxies and ksqlDB (KC134)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.addresses import LOOPBACK
from backbone.addresses import parse_endpoints as endpoints
from backbone.lint.kafka import clients, network, speakers, web
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project, Service

_URL = re.compile(
    r"(?P<text>(?P<scheme>https?)://(?:[^@/\s\"']+@)?(?P<host>[A-Za-z0-9][\w.-]*)(?::(?P<port>\d+))?)(?=[/\s,;\"'?)\]}]|$)"
)
_READY = re.compile(r"\b(?:cub|ub)\s+(?:sr|connect|kr|ksql-server)-ready\s+(?P<text>(?P<host>[\w.-]+)\s+(?P<port>\d+))")
_NAMED = re.compile(
    r"SCHEMA_?REGISTRY|KAFKA_?CONNECT|CONNECT_(URL|HOST|ADDRESS|(\S+_)?CLUSTER)|KSQL|REST_PROXY|KAFKA_REST",
    re.IGNORECASE,
)
_KINDS = {
    "Connect": re.compile(r"CONNECT", re.IGNORECASE),
    "Schema Registry": re.compile(r"SCHEMA_?REGISTRY", re.IGNORECASE),
    "REST Proxy": re.compile(r"REST", re.IGNORECASE),
    "ksqlDB": re.compile(r"KSQL_?(?!.*(?:CONNECT|SCHEMA))", re.IGNORECASE),
}
"""What variables call each kind of server."""

_WITHOUT_SCHEME = re.compile(
    r"CONTROL_CENTER_CONNECT_\S*CLUSTER$|(SCHEMA_?REGISTRY|KAFKA_?CONNECT)_?URL$", re.IGNORECASE
)
"""Variables that name such a server even where their value is only HOST:PORT."""

_FOR_BROWSERS = re.compile(r"ORIGIN|CORS|ALLOW|REDIRECT|EXTERNAL|PUBLIC|ISSUER", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, eq=False)
class Address:
    """One URL that a service asks, with its place."""

    service: Service
    path: tuple[str | int, ...]
    text: str
    host: str
    port: int
    named: bool
    """Whether the variable says that it is one of these servers."""


@rule("KC134", "web-address-wrong", Severity.ERROR)
def web_address_wrong(project: Project) -> Iterator[Finding]:
    """Flag the address of a Schema Registry, Connect worker, REST Proxy or ksqlDB server at which none answers.

    Looked at: URLs in variables, commands and health checks of other services, and the `sr-ready` and `connect-ready`
    of Confluent's images. A wrong port counts where the host is such a server; a host that no service has counts where
    the variable speaks of such a server (a warning where the project has none of that kind: it was left out). Left
    alone: names with a dot, addresses, extra_hosts, external networks, and URLs meant for browsers.

    Why:
        The connection is refused, or the name is not known, at the first message with a schema or at the first request:
        "java.net.ConnectException: Connection refused".

    Fails:
        services:
          registry:
            image: confluentinc/cp-schema-registry:8.2.0
            environment:
              SCHEMA_REGISTRY_HOST_NAME: registry
              SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS: kafka.example.org:9092
          app:
            image: example/app:1.0.0
            environment: {SCHEMA_REGISTRY_URL: "http://registry:8085"}

    Passes:
        services:
          registry:
            image: confluentinc/cp-schema-registry:8.2.0
            environment:
              SCHEMA_REGISTRY_HOST_NAME: registry
              SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS: kafka.example.org:9092
          app:
            image: example/app:1.0.0
            environment: {SCHEMA_REGISTRY_URL: "http://registry:8081"}

    Source:
        Confluent documentation, listeners of each server
    """
    servers = {service.name: server for service in project.services.values() if (server := web.server_of(service))}
    if not servers:
        return
    names = network.of(project)
    for asked in _addresses(project):
        found = names.resolve(asked.service, asked.host)
        known = [service for service in found if service.name in servers]
        left_out = False
        if known and asked.port not in {port for service in known for port in servers[service.name].ports}:
            server = servers[known[0].name]
            ports = ", ".join(map(str, sorted(server.ports)))
            reason = f"{server.kind.name} of {known[0].name} listens on {ports}"
            fix = f"use port {min(server.ports)}"
            related: tuple[Related, ...] = (
                Related(known[0].where("environment", server.variable) if server.variable else known[0].span, "it"),
            )
        elif asked.named and not found and not _may_exist(asked, names):
            near = names.called(asked.host)
            asked_for = [
                name for name, server in servers.items() if _KINDS[server.kind.name].search(str(asked.path[-1]))
            ]
            left_out = not near and not asked_for
            reason = f"it shares no network with {near[0].name}" if near else "no service has this name"
            fix = f"the project has {', '.join(sorted(asked_for or servers))}"
            related = ()
        else:
            continue
        unsure = left_out or clients.is_idle(asked.service)
        yield Finding(
            at=asked.service.where(*asked.path, part=asked.text),
            message=f"{asked.service.name} asks {asked.text}: {reason}",
            service=asked.service.name,
            evidence=f"{asked.path[-1]}:{asked.text}",
            label=reason,
            help=fix,
            related=related,
            severity=Severity.WARNING if unsure else None,
        )


def _may_exist(asked: Address, names: network.Names) -> bool:
    """Whether a host may be right though no service is found under it: it is outside, or the host's own network."""
    on_host = any(network.on_host(service) for service in (asked.service, *names.called(asked.host)))
    return on_host or asked.host in LOOPBACK or names.may_be_elsewhere(asked.service, asked.host)


def _addresses(project: Project) -> Iterator[Address]:
    """Yield every URL that a service asks of another, and HOST:PORT where the variable speaks of such a server."""
    brokers = speakers.by_service(project)
    for service in project.services.values():
        for variable, value in service.environment.items():
            named = bool(_NAMED.search(variable)) and service.name not in brokers
            if "://" in value and not _FOR_BROWSERS.search(variable):
                yield from _urls(service, ("environment", variable), value, named=named)
            elif _WITHOUT_SCHEME.search(variable):
                for one in endpoints(value):
                    if "/" not in one.text and one.host not in LOOPBACK:
                        yield Address(service, ("environment", variable), one.text, one.host, one.port, named=False)
        for path, text in clients.commands_of(service):
            yield from _urls(service, path, text, named=False)
        for path, text in clients.probes_of(service):
            yield from _urls(service, path, text, named=False)


def _urls(service: Service, path: tuple[str | int, ...], text: str, *, named: bool) -> Iterator[Address]:
    for match in _URL.finditer(text):
        port = int(match["port"] or _PORTS[match["scheme"]])
        if match["host"] not in LOOPBACK:
            yield Address(service, path, match["text"], match["host"], port, named)
    for match in _READY.finditer(text):
        yield Address(service, path, match["text"], match["host"], int(match["port"]), named=True)
