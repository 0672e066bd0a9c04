"""Rules on who may do what: the authorizer, its super users, settings in vain (KC171 to KC174, KC179 to KC181)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.kafka import clients, clusters
from backbone.lint.model import Finding, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project

_AUTHORIZER = "authorizer.class.name"
_EVERYONE = "allow.everyone.if.no.acl.found"
_SUPER_USERS = "super.users"
_ANONYMOUS = "User:ANONYMOUS"
_PREFIX = "KAFKA_"
_STANDARD = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
_OF_ZOOKEEPER = frozenset({"kafka.security.authorizer.AclAuthorizer", "kafka.security.auth.SimpleAclAuthorizer"})
_NAMED = re.compile(r"User:(CN=)?(?P<name>[^,]+)")
# listener.name.NAME.MECHANISM.…: what is written with dots between its parts is no mechanism that Kafka knows.
_DOTTED = re.compile(r"listener\.name\..+?\.(?P<mechanism>scram\.sha\.(?:256|512))\.")


@rule("KC171", "everyone-allowed", Severity.WARNING)
def everyone_allowed(project: Project) -> Iterator[Finding]:
    """Flag an authorizer that lets everybody use what no ACL names.

    Why:
        A topic without an ACL, such as one that was made a minute ago, is everybody's to read, write and delete:
        only the first ACL closes it.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: "true"

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: "false"
              KAFKA_SUPER_USERS: User:admin

    Source:
        Kafka documentation, Security, "Authorization and ACLs"
    """
    for node in clusters.nodes(project):
        if node.get(_AUTHORIZER) and node.is_set(_EVERYONE) and node.get(_EVERYONE).lower() == "true":
            yield Finding(
                at=node.where(_EVERYONE),
                message=f"{node.name} lets everybody use what no ACL names",
                service=node.name,
                evidence=_EVERYONE,
                label="everybody, until there is an ACL",
                help=f"set {node.variable(_EVERYONE)} to false, and name who administers it in "
                f"{node.variable(_SUPER_USERS)}",
            )


@rule("KC172", "super-user-anonymous", Severity.ERROR)
def super_user_anonymous(project: Project) -> Iterator[Finding]:
    """Flag an authorizer whose super users include whoever shows no identity.

    In a project without a policy it is a warning: brokers that talk in plain text need it, and it starts.

    Why:
        On a listener without TLS client certificates and without SASL every client is User:ANONYMOUS, and a super
        user is asked for no ACL: the authorizer refuses nothing there.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:admin;User:ANONYMOUS

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:admin

    Source:
        org.apache.kafka.common.security.auth.KafkaPrincipal, ANONYMOUS
    """
    for node in clusters.nodes(project):
        names = [name.strip() for name in node.get(_SUPER_USERS).split(";")]
        if node.get(_AUTHORIZER) and node.is_set(_SUPER_USERS) and _ANONYMOUS in names:
            yield Finding(
                at=node.where(_SUPER_USERS, part=_ANONYMOUS),
                message=f"{node.name} takes whoever shows no identity for a super user",
                service=node.name,
                evidence=_ANONYMOUS,
                label="every client of a listener that asks nobody",
                help="take it out, and let brokers and clients show who they are (SSL or SASL)",
                severity=Severity.WARNING if project.foreign else None,
            )


@rule("KC173", "authorizer-of-zookeeper", Severity.ERROR)
def authorizer_of_zookeeper(project: Project) -> Iterator[Finding]:
    """Flag a KRaft node with the authorizer that keeps its ACLs in ZooKeeper.

    Why:
        There is no ZooKeeper to keep them in, and Kafka 4 has no such class: the node ends at once with a
        ClassNotFoundException.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_AUTHORIZER_CLASS_NAME: kafka.security.authorizer.AclAuthorizer

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_PROCESS_ROLES: broker,controller
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer

    Source:
        KIP-801
    """
    for node in clusters.nodes(project):
        if node.roles and node.is_set(_AUTHORIZER) and node.get(_AUTHORIZER) in _OF_ZOOKEEPER:
            yield Finding(
                at=node.where(_AUTHORIZER),
                message=f"{node.name} runs in KRaft mode with the authorizer of ZooKeeper",
                service=node.name,
                evidence=node.get(_AUTHORIZER),
                label="keeps ACLs in ZooKeeper",
                help=f"set {node.variable(_AUTHORIZER)} to {_STANDARD}",
            )


@rule("KC174", "mechanism-without-dashes", Severity.ERROR)
def mechanism_without_dashes(project: Project) -> Iterator[Finding]:
    """Flag a listener's setting for a SASL mechanism whose dashes became dots.

    In a variable of the Apache image `_` is a dot, `__` an underscore and `___` a dash.

    Why:
        The property is read by nobody: the node ends later, because it finds no JAAS configuration for the mechanism,
        or it takes another one and refuses every client.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:SASL_SSL
              KAFKA_LISTENER_NAME_BROKER_SCRAM_SHA_512_SASL_JAAS_CONFIG: a.Module required;

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: BROKER://:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: BROKER:SASL_SSL
              KAFKA_LISTENER_NAME_BROKER_SCRAM___SHA___512_SASL_JAAS_CONFIG: a.Module required;

    Source:
        kafka.docker.KafkaDockerWrapper (KIP-975); KIP-84, the mechanisms' names
    """
    for node in clusters.nodes(project):
        # Other images make other properties of a variable.
        for setting in node.settings.values() if node.prefix == _PREFIX else ():
            match = _DOTTED.match(setting.name)
            if match is None or not setting.variable:
                continue
            dotted = match["mechanism"]
            meant = setting.variable.replace(dotted.replace(".", "_").upper(), dotted.replace(".", "___").upper())
            yield Finding(
                at=node.service.key("environment", setting.variable),
                message=f"{node.name} sets {setting.name}: the mechanism is called {dotted.replace('.', '-')}",
                service=node.name,
                evidence=setting.variable,
                label="read by nobody",
                help=f"write {meant}",
            )


@rule("KC179", "acl-without-authorizer", Severity.WARNING)
def acl_without_authorizer(project: Project) -> Iterator[Finding]:
    """Flag settings of an authorizer on a node that has none.

    Why:
        Nobody reads them: every client may do everything, and whoever reads the file believes otherwise.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: "false"

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: "false"

    Source:
        Kafka documentation, broker configuration, authorizer.class.name: "The default value is an empty string"
    """
    for node in clusters.nodes(project):
        for prop in (_EVERYONE, _SUPER_USERS):
            everybody = prop == _EVERYONE and node.get(prop).lower() == "true"
            if node.complete and node.is_set(prop) and node.get(prop) and not node.get(_AUTHORIZER) and not everybody:
                yield Finding(
                    at=node.where(prop),
                    message=f"{node.name} sets {prop}, but has no authorizer that would read it",
                    service=node.name,
                    evidence=prop,
                    label="read by nobody",
                    help=f"set {node.variable(_AUTHORIZER)} to {_STANDARD}, or take it out",
                )


@rule("KC180", "super-user-malformed", Severity.ERROR)
def super_user_malformed(project: Project) -> Iterator[Finding]:
    """Flag a super user that is written so that it names nobody.

    Each is TYPE:NAME, with a semicolon between two. A comma is part of a name, since those of certificates have them;
    `*` is no pattern here.

    Why:
        Without a type the node ends: "expected a string in format principalType:principalName but got …". With commas
        between them, or with `*`, it starts, and nobody is a super user.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:admin,User:kafka

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: PLAINTEXT://:9092
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:admin;User:CN=kafka,OU=Data,O=Example

    Source:
        org.apache.kafka.metadata.authorizer.StandardAuthorizer, getConfiguredSuperUsers
    """
    for node in clusters.nodes(project):
        if node.get(_AUTHORIZER) != _STANDARD or not node.is_set(_SUPER_USERS):
            continue
        for name in filter(None, map(str.strip, node.get(_SUPER_USERS).split(";"))):
            if ",User:" in name.replace(" ", ""):
                said, fix = "is one name, and nobody has it", "put a semicolon between two names"
            elif ":" not in name:
                said, fix = "has no type", f"write User:{name}"
            elif name == "User:*":
                said, fix = "is nobody: no pattern is taken here", "name each super user, with a semicolon between two"
            else:
                continue
            yield Finding(
                at=node.where(_SUPER_USERS, part=name),
                message=f"{node.name} has the super user {name!r}, which {said}",
                service=node.name,
                evidence=name,
                label="names nobody",
                help=fix,
            )


@rule("KC181", "super-user-client", Severity.WARNING)
def super_user_client(project: Project) -> Iterator[Finding]:
    """Flag a super user who is a client among the project's services, such as a registry or a Connect worker.

    Nodes have to be super users, and so has somebody who administers the cluster: they pass.

    Why:
        No rule holds for a super user: whoever takes over that one service reads, writes and deletes everything, and
        gives rights to others.

    Fails:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: CLIENTS://:9092
              KAFKA_ADVERTISED_LISTENERS: CLIENTS://kafka:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENTS:SSL
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:kafka;User:CN=ui
          ui:
            image: kafbat/kafka-ui:v1.5.0
            environment: {KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS: "kafka:9092"}

    Passes:
        services:
          kafka:
            image: apache/kafka:4.3.1
            environment:
              KAFKA_LISTENERS: CLIENTS://:9092
              KAFKA_ADVERTISED_LISTENERS: CLIENTS://kafka:9092
              KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENTS:SSL
              KAFKA_AUTHORIZER_CLASS_NAME: org.apache.kafka.metadata.authorizer.StandardAuthorizer
              KAFKA_SUPER_USERS: User:kafka;User:admin
          ui:
            image: kafbat/kafka-ui:v1.5.0
            environment: {KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS: "kafka:9092"}

    Source:
        Kafka documentation, Security, "Authorization and ACLs"; KIP-801
    """
    own = clusters.by_service(project).keys()
    served = {one.service.name for one in clients.bootstraps(project) if one.speaks} - own
    for node in clusters.nodes(project):
        for principal in map(str.strip, node.get(_SUPER_USERS).split(";") if node.get(_AUTHORIZER) else ()):
            match = _NAMED.match(principal)
            if match and node.is_set(_SUPER_USERS) and match["name"] in served:
                yield Finding(
                    at=node.where(_SUPER_USERS, part=principal),
                    message=f"{node.name} asks the client {match['name']} for no rule: it is a super user",
                    service=node.name,
                    evidence=principal,
                    label="may do everything",
                    help="take it out, and allow it what it needs (kafka-acls, or access.yml in this layout)",
                )
