"""Rules on the static quorum: who votes, under which name and port (KC103 to KC108)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone import addresses
from backbone.addresses import LOOPBACK
from backbone.lint.kafka import clusters, network
from backbone.lint.model import Finding, Related, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.addresses import Voter
    from backbone.lint.kafka.clusters import Cluster
    from backbone.lint.kafka.node import Node
    from backbone.lint.project import Project

VOTERS = "controller.quorum.voters"
BOOTSTRAP = "controller.quorum.bootstrap.servers"
_SMALLEST_QUORUM = 3


@rule("KC103", "controller-not-voter", Severity.ERROR)
def controller_not_voter(project: Project) -> Iterator[Finding]:
    """Flag a node with the controller role whose id is not among its voters.

    A dynamic quorum (controller.quorum.bootstrap.servers) has no voters to compare with and passes.

    Why:
        The node ends at once: "If process.roles contains the 'controller' role, the node id … must be
        included in the set of voters controller.quorum.voters=…"

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 2@kafka:9093

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093

    Source:
        kafka.server.KafkaConfig, validateValues
    """
    for node in clusters.nodes(project):
        ids = {voter.id for voter in node.voters}
        if node.is_controller and ids and node.id is not None and node.id not in ids:
            yield Finding(
                at=node.where(node.id_property),
                message=f"{node.name} is a controller with id {node.id}, which is not among the voters",
                service=node.name,
                evidence=str(node.id),
                label="no voter has this id",
                help=f"the voters are {_ids(ids)}: make the two agree",
                related=(Related(node.where(VOTERS), "the voters"),),
            )


@rule("KC104", "broker-is-voter", Severity.ERROR)
def broker_is_voter(project: Project) -> Iterator[Finding]:
    """Flag a node with only the broker role whose id is among its voters.

    Why:
        The node ends at once: "If process.roles contains just the 'broker' role, the node id … must not be
        included in the set of voters controller.quorum.voters=…"

    Fails:
        services:
          broker:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@controller:9093

    Passes:
        services:
          broker:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 2
              KAFKA_PROCESS_ROLES: broker
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@controller:9093

    Source:
        kafka.server.KafkaConfig, validateValues
    """
    for node in clusters.nodes(project):
        voter = next((voter for voter in node.voters if voter.id == node.id), None)
        if voter and node.roles and not node.is_controller:
            yield Finding(
                at=node.where(node.id_property),
                message=f"{node.name} is only a broker, but its id {node.id} is among the voters",
                service=node.name,
                evidence=str(node.id),
                label="the id of a voter",
                help="give the broker another id, or add the controller role",
                related=(Related(node.where(VOTERS, part=voter.text), "the voter"),),
            )


@rule("KC105", "voters-differ", Severity.ERROR)
def voters_differ(project: Project) -> Iterator[Finding]:
    """Flag a node whose voters are not those of the other nodes of its cluster.

    The order of the voters does not matter.

    Why:
        A static quorum is what each node believes it is: two beliefs can elect two leaders or none.

    Fails:
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
          kafka-2:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 2
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9095

    Passes:
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093
          kafka-2:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 2
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 2@kafka-2:9093,1@kafka-1:9093

    Source:
        apache/kafka docs/operations/kraft.md, static quorum
    """
    for one in clusters.clusters(project):
        beliefs: dict[frozenset[tuple[int, str, int]], list[Node]] = {}
        for node in one.static:
            beliefs.setdefault(frozenset((v.id, v.host, v.port) for v in node.voters), []).append(node)
        usual = max(beliefs.values(), key=len, default=[])
        for nodes in beliefs.values():
            for node in nodes if nodes is not usual else ():
                yield Finding(
                    at=node.where(VOTERS),
                    message=f"{node.name} names other voters than {usual[0].name}",
                    service=node.name,
                    evidence="voters",
                    label="differs",
                    help="give every node the same voters, best by one YAML anchor",
                    related=(Related(usual[0].where(VOTERS), f"the voters of {usual[0].name}"),),
                )


@rule("KC106", "voter-host-unknown", Severity.ERROR)
def voter_host_unknown(project: Project) -> Iterator[Finding]:
    """Flag a voter whose host leads to no Kafka node over a network that the two share.

    Names with a dot, addresses and names from extra_hosts or an external network may be elsewhere and pass.
    So does `localhost` where the quorum is this node alone. The same for controller.quorum.bootstrap.servers of a node
    that is only a broker; a controller may know the quorum from its storage.

    Why:
        The quorum never forms: the controllers wait for a vote from a host that no DNS answer exists for.

    Fails:
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka1:9093

    Passes:
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            hostname: kafka1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka1:9093

    Source:
        org.apache.kafka.raft.QuorumConfig
    """
    names = network.of(project)
    for one in clusters.clusters(project):
        for node, voter in _each_voter(one):
            if reason := _unreachable(one, node, voter, names):
                yield Finding(
                    at=node.where(VOTERS, part=voter.text),
                    message=f"{node.name} names voter {voter.id} as {voter.host}: {reason}",
                    service=node.name,
                    evidence=voter.text,
                    label=reason,
                    help=f"use a name of the node with id {voter.id}{_names_of(one, voter.id)}",
                )
        yield from _lost_brokers(one, names)


def _lost_brokers(one: Cluster, names: network.Names) -> Iterator[Finding]:
    """Yield a finding for each broker of which no address leads to a controller of a dynamic quorum."""
    for node in one.nodes:
        asked = addresses.parse_endpoints(node.get(BOOTSTRAP))
        if node.is_controller or node.voters or not asked:
            continue
        reasons = [_no_controller(one, node, each, names) for each in asked]
        if all(reasons):
            yield Finding(
                at=node.where(BOOTSTRAP, part=asked[0].text),
                message=f"{node.name} looks for the quorum at {asked[0].text}: {reasons[0]}",
                service=node.name,
                evidence=asked[0].text,
                label=reasons[0],
                help="name a controller and the port of its controller listener",
                why="The broker never finds a leader of the quorum, and ends when its time limit is over.",
            )


def _no_controller(one: Cluster, node: Node, asked: addresses.Endpoint, names: network.Names) -> str:
    """Return why no controller answers at an address, "" if one does or may."""
    found = names.resolve(node.service, asked.host)
    members = {member.name: member for member in one.nodes}
    ports = {
        listener.port
        for service in found
        if (member := members.get(service.name)) and member.is_controller
        for listener in member.listeners
        if listener.name in member.controller_names
    }
    if ports:
        return "" if asked.port in ports else f"the controller listens on {', '.join(map(str, sorted(ports)))}"
    known = all(service.name in members and members[service.name].complete for service in found)
    if network.on_host(node.service) or not known or names.may_be_elsewhere(node.service, asked.host):
        return ""
    if found:
        return "that is its own container" if asked.host in LOOPBACK else f"{found[0].name} is no controller"
    return "" if names.called(asked.host) else "no service has this name"


@rule("KC107", "voter-port-mismatch", Severity.ERROR)
def voter_port_mismatch(project: Project) -> Iterator[Finding]:
    """Flag a voter whose port is not the controller listener of that node.

    Why:
        Votes go to a port where nobody, or the listener for clients, answers; the quorum never forms.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9092

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
              KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093

    Source:
        apache/kafka docs/operations/kraft.md, "the host and port … must match the controller listener"
    """
    names = network.of(project)
    for one in clusters.clusters(project):
        by_name = {node.name: node for node in one.controllers}
        for node, voter in _each_voter(one):
            called = [by_name[each.name] for each in names.resolve(node.service, voter.host) if each.name in by_name]
            # Several nodes have one name where they share the host's network; the voter's id says which is meant.
            meant = [each for each in called if each.id == voter.id] or called
            listening = [(each, own) for each in meant for own in each.listeners if own.name in each.controller_names]
            if listening and all(own.port != voter.port for _, own in listening):
                target, own = listening[0]
                yield Finding(
                    at=node.where(VOTERS, part=voter.text),
                    message=f"{node.name} expects the controller of {target.name} at port {voter.port}, "
                    f"it listens at {own.port}",
                    service=node.name,
                    evidence=voter.text,
                    label="not the controller listener",
                    help=f"write {voter.id}@{voter.host}:{own.port}",
                    related=(Related(target.where("listeners", part=own.text), "the controller listener"),),
                )


@rule("KC108", "quorum-size", Severity.INFO)
def quorum_size(project: Project) -> Iterator[Finding]:
    """Note a quorum of one voter, or of an even number.

    Why:
        One voter is no spare at all, and a fourth adds none: a majority of 4 is 3, so 4 survive one loss as 3
        do.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093

    Passes:
        services:
          kafka-1:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_NODE_ID: 1
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093,2@kafka-2:9093,3@kafka-3:9093

    Source:
        apache/kafka docs/operations/kraft.md, deploying considerations
    """
    for one in clusters.clusters(project):
        node = next((node for node in one.static if node.is_set(VOTERS)), None)
        count = len(node.voters) if node else _SMALLEST_QUORUM
        if node and (count == 1 or count % 2 == 0):
            yield Finding(
                at=node.where(VOTERS),
                message=f"the quorum has {count} voter{'s' * (count > 1)}",
                service=node.name,
                evidence="voters",
                label="no controller may be lost" if count < _SMALLEST_QUORUM else "an even number",
                help="use 3 controllers to survive the loss of one",
            )


def _each_voter(one: Cluster) -> Iterator[tuple[Node, Voter]]:
    """Yield each voter of each node, once for nodes that share the text."""
    seen = set()
    for node in one.static:
        for voter in node.voters:
            at = node.where(VOTERS, part=voter.text)
            key = (voter.text, at.path, at.start, frozenset(node.service.networks))
            if key not in seen:
                seen.add(key)
                yield node, voter


def _unreachable(one: Cluster, node: Node, voter: Voter, names: network.Names) -> str:
    """Return why a voter's host does not lead to a node of the cluster, "" if it does or may."""
    found = {service.name for service in names.resolve(node.service, voter.host)}
    members = {member.name: member for member in one.nodes if member.name in found}
    if voter.host in LOOPBACK:
        alone = len(node.voters) == 1 and len(one.nodes) == 1
        right = alone or voter.id in {member.id for member in members.values()} - {node.id}
        return "" if right or network.on_host(node.service) else "for each node this is itself"
    if members or (not names.called(voter.host) and names.may_be_elsewhere(node.service, voter.host)):
        return ""
    if not names.called(voter.host):
        return "no service has this name"
    return "this service is no Kafka node" if found else "the two share no network"


def _names_of(one: Cluster, node_id: int) -> str:
    names = [name for node in one.nodes if node.id == node_id for name in sorted(network.own_names(node.service))]
    return f": {', '.join(names)}" if names else ""


def _ids(ids: set[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
