"""Rules on properties: KC006."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.lint.kafka import clusters, properties
from backbone.lint.kafka.clients import is_connect
from backbone.lint.kafka.images import APACHE, CONFLUENT, parse_image
from backbone.lint.model import Finding, Related, Severity, respelt, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backbone.lint.kafka.images import Image
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project, Service
    from backbone.source.span import Span

_FIRST_WITHOUT_ZOOKEEPER = (4, 0)
_BITNAMI_PREFIX = "KAFKA_CFG_"
_WURSTMEISTER = {"KAFKA_CREATE_TOPICS": (0, 0), "KAFKA_ADVERTISED_HOST_NAME": (3, 0)}
"""Variables of that image → the Kafka from which on no property answers to them either (KIP-604 for the host name)."""
_FIRST_WITHOUT_REST_PORT = (3, 0)


@rule("KC006", "unknown-property", Severity.ERROR)
def unknown_property(project: Project) -> Iterator[Finding]:
    """Flag a KAFKA_ or CONNECT_ variable, or an `--override`, that names no property of Kafka.

    Names are checked against the list of the broker that the image names, and of Connect's worker; `producer.`,
    `consumer.` and `admin.` of a worker against the clients' lists. Variables that images and start scripts
    read themselves, properties of one listener (`listener.name.…`) and those of plugins pass. A name that is
    near no known one is a warning only: it may belong to a plugin. Properties that ended with Kafka 3 are
    flagged for images of Kafka 4, and what only wurstmeister's image reads (KAFKA_CREATE_TOPICS) for others.

    Why:
        Kafka reads past a property it does not know, so the value never arrives and nothing says so.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_ADVERTSED_LISTENERS: PLAINTEXT://kafka:9092
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093
              KAFKA_HEAP_OPTS: -Xmx512m

    Source:
        ConfigDef of kafka.server.KafkaConfig and
        org.apache.kafka.connect.runtime.distributed.DistributedConfig
    """
    for node in clusters.nodes(project):
        yield from _of_node(node, [each for each in node.settings.values() if _is_judged(node, each)])
        if node.image.vendor and node.complete and not (node.service.body.get("build") or node.service.command):
            yield from _of_another_image(node)
    for service in project.services.values():
        if is_connect(service):
            # One that is no Connect image may hand any variable to its own properties file, and may be built on any.
            image = parse_image(service.image)
            certain = image.is_connect
            for setting in properties.settings(service.environment, "CONNECT_").values():
                near = certain or properties.suggestion(setting.name, "connect")
                known = properties.is_known(setting.name, "connect", confluent=True)
                if near and not known and not _of_an_older_worker(setting.name, image):
                    at = service.key("environment", setting.variable)
                    yield _unknown(service, setting, at, "connect", "CONNECT_")


def _is_judged(node: Node, setting: properties.Setting) -> bool:
    """Whether a setting's name reaches Kafka as it is known here; other images read their variables in other ways."""
    if setting.flag:
        return not properties.NOT_PROPERTIES.fullmatch(properties.variable_name(setting.name, "KAFKA_"))
    return bool(setting.variable) and node.vendor in (APACHE, CONFLUENT)


def _of_an_older_worker(name: str, image: Image) -> bool:
    """Whether a property is one of Kafka 3's, or of Kafka 2's where the image may be that old."""
    old = image.kafka_version is None or image.kafka_version < _FIRST_WITHOUT_REST_PORT
    return bool(properties.REMOVED_IN_4.fullmatch(name) or (old and properties.REMOVED_IN_3.fullmatch(name)))


def _of_node(node: Node, settings: Sequence[properties.Setting]) -> Iterator[Finding]:
    modern = node.image.kafka_version is not None and not node.older_than(*_FIRST_WITHOUT_ZOOKEEPER)
    of_bitnami = [each for each in settings if each.variable.startswith(_BITNAMI_PREFIX)]
    if of_bitnami:
        yield _of_bitnami(node, of_bitnami)
    release = node.image.kafka_version
    for setting in settings:
        known = properties.is_known(setting.name, "broker", confluent=node.vendor == CONFLUENT, release=release)
        if setting in of_bitnami or known:
            continue
        if first := properties.since(setting.name, "broker"):
            why, otherwise = f"which Kafka has since {first}; its image is older", f", or run an image of Kafka {first}"
            yield _of_another_release(node, setting, why, f"needs Kafka {first}", otherwise)
        elif not properties.REMOVED_IN_4.fullmatch(setting.name):
            yield _unknown(node.service, setting, node.key(setting), "broker", "" if setting.flag else "KAFKA_")
        elif modern:
            yield _of_another_release(
                node, setting, "which Kafka 4 no longer has", f"{setting.name} ended with Kafka 3"
            )


def _of_bitnami(node: Node, settings: Sequence[properties.Setting]) -> Finding:
    """Return one finding for all variables that only Bitnami's start script reads."""
    first, *others = settings
    and_more = f" and {len(others)} more with KAFKA_CFG_" if others else ""
    return Finding(
        at=node.service.key("environment", first.variable),
        message=f"{node.name} sets {first.variable}{and_more}, which only Bitnami's image reads",
        service=node.name,
        evidence=_BITNAMI_PREFIX,
        label="another image's prefix",
        help=f"write {first.variable.replace(_BITNAMI_PREFIX, 'KAFKA_')}"
        + (", and so for the others" if others else ""),
        related=tuple(Related(node.service.key("environment", each.variable), "the same") for each in others[:3]),
    )


def _of_another_image(node: Node) -> Iterator[Finding]:
    """Yield the variables of wurstmeister/kafka, which the images after it do not read."""
    for variable, first in _WURSTMEISTER.items():
        if node.service.environment.get(variable) and not node.older_than(*first):
            yield Finding(
                at=node.service.key("environment", variable),
                message=f"{node.name} sets {variable}, which its image does not read",
                service=node.name,
                evidence=variable,
                label="a variable of wurstmeister/kafka",
                help=f"create the topics by kafka-topics in a service that runs once, and remove {variable}"
                if variable == "KAFKA_CREATE_TOPICS"
                else f"set {node.variable('advertised.listeners')} instead",
                severity=Severity.WARNING,
            )


def _of_another_release(node: Node, setting: properties.Setting, why: str, label: str, help_: str = "") -> Finding:
    written = setting.variable or setting.name
    return Finding(
        at=node.key(setting),
        message=f"{node.name} sets {setting.name}, {why}",
        service=node.name,
        evidence=written,
        label=label,
        help=f"remove {written}{help_}",
        severity=Severity.WARNING,
    )


def _unknown(service: Service, setting: properties.Setting, at: Span, family: str, prefix: str) -> Finding:
    """Return the finding of a name that nobody knows. prefix: of a variable, "" for a flag."""
    meant = properties.suggestion(setting.name, family)
    text = next((file.text for file in service.sources.files if file.path == at.path), "")
    written = setting.variable or setting.name
    name = properties.variable_name(meant, prefix) if meant and prefix else meant
    clients = [name for name in ("producer", "consumer", "admin") if setting.name in properties.known(name)]
    reader = "Kafka broker" if family == "broker" else "Connect worker"
    version = properties.kafka_version(parse_image(service.image).kafka_version if family == "broker" else None)
    return Finding(
        at=at,
        message=f"{service.name} sets {setting.name}, which no {reader} {version} knows",
        service=service.name,
        evidence=written,
        label=f"a property of {', '.join(clients)} clients" if clients else f"sets {setting.name}",
        help=(
            f"did you mean {name}?"
            if meant
            else f"remove {written}, or ignore it here with the plugin that reads it as the reason"
        ),
        edits=respelt(at, text, written, name) if name and prefix and name not in service.environment else (),
        severity=Severity.ERROR if meant else Severity.WARNING,
    )
