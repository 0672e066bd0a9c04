"""The Kafka clusters of a project: which nodes belong together.

`clusters(project)` is the entry: nodes that name each other as voters (or share a ZooKeeper) form one
cluster, so a project may hold several. Everything is derived from the resolved model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from backbone import addresses
from backbone.lint.kafka import network
from backbone.lint.kafka.node import node_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project


@dataclass(frozen=True, eq=False)
class Cluster:
    """Nodes that belong together."""

    nodes: tuple[Node, ...]
    project: Project

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the nodes' services."""
        return frozenset(node.name for node in self.nodes)

    @cached_property
    def brokers(self) -> tuple[Node, ...]:
        """The nodes that hold data."""
        return tuple(node for node in self.nodes if node.is_broker)

    @cached_property
    def controllers(self) -> tuple[Node, ...]:
        """The nodes that vote."""
        return tuple(node for node in self.nodes if node.is_controller)

    @cached_property
    def static(self) -> tuple[Node, ...]:
        """The nodes that name their voters."""
        return tuple(node for node in self.nodes if node.voters)

    def sizes(self) -> Iterator[tuple[frozenset[str], int]]:
        """Yield each set of profiles that starts a node, with the number of brokers it starts."""
        for profiles in self.project.profile_sets:
            active = self.project.active(profiles)
            if any(node.name in active for node in self.nodes):
                yield profiles, sum(node.name in active for node in self.brokers)

    def smallest(self) -> tuple[frozenset[str], int]:
        """Return the fewest brokers that any set of profiles starts, and that set."""
        return min(self.sizes(), key=lambda pair: pair[1], default=(frozenset(), len(self.brokers)))


@lru_cache(maxsize=8)
def clusters(project: Project) -> tuple[Cluster, ...]:
    """Return the clusters of a project, in the order of their first node's name."""
    services = {name: service for name, service in project.services.items() if name not in project.templates}
    found = {name: node for name, service in services.items() if (node := node_of(service))}
    leader = {name: name for name in found}
    for name, node in found.items():
        for partner in _partners(node, found, network.of(project)):
            leader[_root(leader, partner)] = _root(leader, name)
    groups: dict[str, list[Node]] = {}
    for name, node in found.items():
        groups.setdefault(_root(leader, name), []).append(node)
    return tuple(Cluster(tuple(group), project) for group in groups.values())


def _root(leader: dict[str, str], name: str) -> str:
    """Return the one name that stands for a node's cluster, shortening the way to it (union-find)."""
    while leader[name] != name:
        leader[name] = leader[leader[name]]
        name = leader[name]
    return name


def _partners(node: Node, found: Mapping[str, Node], names: network.Names) -> Iterator[str]:
    """Yield the nodes that this one names as voters or controllers, or shares a ZooKeeper with."""
    hosts = {voter.host for voter in node.voters}
    hosts |= {entry.host for entry in addresses.parse_endpoints(node.get("controller.quorum.bootstrap.servers"))}
    for host in hosts:
        yield from (service.name for service in names.resolve(node.service, host) if service.name in found)
    if node.get("zookeeper.connect"):
        yield next(name for name, other in found.items() if _zookeeper(other) == _zookeeper(node))


def _zookeeper(node: Node) -> tuple[frozenset[str], str]:
    """Return the hosts of a node's ZooKeeper and its folder there, without ports: one that is wrong is for KC112."""
    servers, _, chroot = node.get("zookeeper.connect").partition("/")
    hosts = frozenset(re.sub(r":\d+$", "", server) for server in addresses.entries(servers))
    return (hosts, chroot)


@lru_cache(maxsize=8)
def by_service(project: Project) -> Mapping[str, Node]:
    """Return every node by the name of its service."""
    return {node.name: node for one in clusters(project) for node in one.nodes}


def brokers(project: Project) -> Iterator[Node]:
    """Yield every broker of every cluster."""
    for cluster in clusters(project):
        yield from cluster.brokers


def nodes(project: Project) -> Iterator[Node]:
    """Yield every node of every cluster."""
    for cluster in clusters(project):
        yield from cluster.nodes
