"""Every broker that speaks Kafka's protocol: the nodes of Kafka, and Redpanda's with their flags read as properties."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from backbone import addresses
from backbone.lint.kafka.clusters import Cluster, clusters
from backbone.lint.kafka.images import REDPANDA, parse_image
from backbone.lint.kafka.node import BROKER, Node
from backbone.lint.kafka.properties import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.lint.project import Project, Service

_START = re.compile(r"\bredpanda\b.*\bstart\b", re.DOTALL)
_FLAG = re.compile(r"(?:^|\s)--(?P<flag>[\w-]+)(?:[=\s]+(?P<value>[^\s-]\S*))?")
_ADDRESS = re.compile(r"(?:(?P<name>[\w-]+)://)?(?P<rest>\S+:\d+)")
_PROPERTIES = {"kafka-addr": "listeners", "advertise-kafka-addr": "advertised.listeners"}


@lru_cache(maxsize=8)
def speaking(project: Project) -> tuple[Cluster, ...]:
    """Return the clusters of Kafka, and all brokers of Redpanda as one more."""
    nodes = tuple(node for service in project.services.values() if (node := redpanda(service)))
    return (*clusters(project), *([Cluster(nodes, project)] if nodes else []))


@lru_cache(maxsize=8)
def by_service(project: Project) -> Mapping[str, Node]:
    """Return every node of them by the name of its service, controllers included."""
    return {node.name: node for one in speaking(project) for node in one.nodes}


def speakers(project: Project) -> Iterator[Node]:
    """Yield every broker of them."""
    for cluster in speaking(project):
        yield from cluster.brokers


def redpanda(service: Service) -> Node | None:
    """Return the Redpanda broker that a service runs, None for anything else.

    Without flags it listens on port 9092; a mounted redpanda.yaml may say more.
    """
    image = parse_image(service.image)
    if not image.is_redpanda or not _START.search(" ".join((*service.entrypoint, *service.command))):
        return None
    found = {
        "process.roles": Setting("process.roles", BROKER),
        "listeners": Setting("listeners", "DEFAULT://0.0.0.0:9092"),
        # Its brokers talk over an address of their own (--rpc-addr), on none of these.
        "inter.broker.listener.name": Setting("inter.broker.listener.name", "(rpc)"),
    }
    for flag, path, value in flags(service):
        if name := _PROPERTIES.get(flag):
            found[name] = Setting(name, _named(value), path=path)
    mounted = any(target.startswith("/etc/redpanda") for target in service.mounted)
    return Node(service, image, REDPANDA, "", found, complete=not mounted)


def flags(service: Service) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    """Yield (flag, path of the word that holds its value, value) of each `--flag value` and `--flag=value`."""
    for key, words in (("entrypoint", service.entrypoint), ("command", service.command)):
        for index, word in enumerate(words):
            following = words[index + 1] if index + 1 < len(words) else ""
            for match in _FLAG.finditer(word):
                apart = match["value"] is None and match.end() == len(word) and not following.startswith("-")
                yield match["flag"], (key, index + apart), following if apart else (match["value"] or "").strip("'\"")


def _named(text: str) -> str:
    """Return Redpanda's addresses as Kafka's listeners: one without a name is called `default`."""
    found = (_ADDRESS.fullmatch(entry) for entry in addresses.entries(text))
    return ",".join(f"{match['name'] or 'default'}://{match['rest']}" for match in found if match)
