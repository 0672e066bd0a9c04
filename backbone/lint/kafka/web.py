"""The HTTP servers around a cluster: Connect, Schema Registry, REST Proxy and ksqlDB, and the ports they listen on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.lint.kafka.images import parse_image

if TYPE_CHECKING:
    from backbone.lint.project import Service

_LISTENER = re.compile(r"(?:https?)://(?P<host>\[[^\]]*\]|[^:/,\s]*):(?P<port>\d+)")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of server: the variables and images that only it has, where it says its listeners, its own port."""

    name: str
    markers: frozenset[str]
    images: re.Pattern[str]
    listeners: tuple[str, ...]
    port: int


KINDS = (
    Kind(
        "Connect",
        frozenset({"CONNECT_BOOTSTRAP_SERVERS", "CONNECT_GROUP_ID", "CONNECT_CONFIG_STORAGE_TOPIC"}),
        re.compile(r"confluentinc/cp-(kafka|server)-connect.*|debezium/connect"),
        ("CONNECT_LISTENERS", "CONNECT_REST_PORT", "REST_PORT"),
        8083,
    ),
    Kind(
        "Schema Registry",
        frozenset({"SCHEMA_REGISTRY_HOST_NAME", "SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS"}),
        re.compile(r"confluentinc/cp-schema-registry"),
        ("SCHEMA_REGISTRY_LISTENERS", "SCHEMA_REGISTRY_PORT"),
        8081,
    ),
    Kind(
        "REST Proxy",
        frozenset({"KAFKA_REST_HOST_NAME", "KAFKA_REST_BOOTSTRAP_SERVERS"}),
        re.compile(r"confluentinc/cp-kafka-rest"),
        ("KAFKA_REST_LISTENERS", "KAFKA_REST_PORT"),
        8082,
    ),
    Kind(
        "ksqlDB",
        frozenset({"KSQL_LISTENERS", "KSQL_KSQL_SERVICE_ID"}),
        re.compile(r"confluentinc/(cp-)?ksqldb-server"),
        ("KSQL_LISTENERS",),
        8088,
    ),
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that a service runs. hosts: what it binds; a variable: the one that says so, "" for its default."""

    kind: Kind
    ports: frozenset[int]
    hosts: frozenset[str]
    variable: str = ""


def server_of(service: Service) -> Server | None:
    """Return the HTTP server that a service runs, None for one that is not known."""
    image = parse_image(service.image).repository
    for kind in KINDS:
        if kind.images.fullmatch(image) or kind.markers & service.environment.keys():
            variable = next((name for name in kind.listeners if service.environment.get(name)), "")
            text = service.environment.get(variable, "")
            found = [(match["host"], int(match["port"])) for match in _LISTENER.finditer(text)]
            found = found or [("", int(text))] if text.strip().isdigit() else found
            found = found or [("", kind.port)]
            return Server(kind, frozenset(port for _, port in found), frozenset(host for host, _ in found), variable)
    return None
