"""Who may do what: access.yml as it is written, the cluster's ACLs, and the steps from the one to the other.

What no rule allows is refused (StandardAuthorizer, KIP-801, with allow.everyone.if.no.acl.found=false). A file only
allows, for every host; whoever administers the cluster is a super user and has no rules.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from backbone import durable_file, json_schema, resources
from backbone.errors import ExitCode, StackError
from backbone.lease_names import prefix_of
from backbone.source import reading, yaml_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kafka.admin import KafkaAdminClient

FILE = Path("infra", "05-messaging", "security", "access.yml")
"""Below the root of a home."""

_SCHEMA = resources.schema("access.schema.json")
_FAULT, _HINT = "access-file", f"see {_SCHEMA}"
_CLUSTER = "kafka-cluster"  # the one name that a resource of this kind has
_RESOURCES = {"topics": "topic", "groups": "group", "transactional_ids": "transactional_id"}
_PREFIX = "User:"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One operation that a user may do on a resource.

    resource: topic, group, transactional_id or cluster. operation: as access.yml has them, such as describe_configs.
    pattern: literal (the name, or "*" for every one) or prefixed.
    """

    user: str
    resource: str
    name: str
    pattern: str
    operation: str

    def __str__(self) -> str:
        name = "" if self.resource == "cluster" else f" {self.name}{'*' * (self.pattern == 'prefixed')}"
        return f"{self.user}: {self.operation} on {self.resource.replace('_', ' ')}{name}"


@dataclass(frozen=True, slots=True)
class User:
    """Who shows a certificate or a password, and what they may do."""

    name: str
    login: Literal["certificate", "password"]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between file and cluster: a rule to `allow`, or one to `revoke`."""

    kind: Literal["allow", "revoke"]
    rule: Rule

    def __str__(self) -> str:
        return f"{self.kind} {self.rule}"


def read(path: Path) -> tuple[User, ...]:
    """Return the users of a file; StackError("access-file") with place and reason for one that is not valid."""
    body = yaml_file.read(path, _FAULT, _faults, _HINT)
    return tuple(
        User(name, user["login"], tuple(rule for may in user["may"] for rule in _rules(name, may)))
        for name, user in body["users"].items()
    )


def _faults(body: object) -> list[str]:
    return list(map(str, json_schema.departures(_SCHEMA, body)))


def _rules(user: str, may: Mapping[str, Any]) -> Iterator[Rule]:
    for operation in may["do"]:
        for key, resource in _RESOURCES.items():
            for name in may.get(key, ()):
                prefixed = name.endswith("*") and name != "*"
                pattern = "prefixed" if prefixed else "literal"
                yield Rule(user, resource, name.removesuffix("*") if prefixed else name, pattern, operation)
        if may.get("cluster"):
            yield Rule(user, "cluster", _CLUSTER, "literal", operation)


def add(path: Path, name: str, topics: Sequence[str]) -> None:
    """Write a user with a password at the end of a file: they read and write some topics, in groups of their own.

    Raises StackError("user-exists"), or "access-file" for a name that the file cannot hold; it stays as it was then.
    """
    if any(user.name == name for user in read(path)):
        raise StackError("user-exists", f"{path.name} has a user {name} already", exit_code=ExitCode.USAGE)
    text = reading.read_text(path)
    named = ", ".join(map(json.dumps, topics))
    block = f"""
  {name}:
    login: password
    may:
      - {{do: [read, write, describe_configs], topics: [{named}]}}
      - {{do: [read, delete], groups: ["{name}*"]}}
      - {{do: [write, describe], transactional_ids: ["{name}*"]}}
"""
    longer = text.rstrip("\n") + "\n" + block
    yaml_file.parse(longer, path.name, _FAULT, _faults, _HINT)
    durable_file.rewrite(path, longer)


def plan(users: Iterable[User], found: Iterable[Rule]) -> tuple[Change, ...]:
    """Return how a cluster's rules differ from a file: what is missing, then what is there beyond it.

    Those of a lease's user are neither: they go with the lease.
    """
    wanted = {rule for user in users for rule in user.rules}
    there = {rule for rule in found if not prefix_of(rule.user)}
    missing = tuple(Change("allow", rule) for rule in sorted(wanted - there))
    return (*missing, *(Change("revoke", rule) for rule in sorted(there - wanted)))


def describe(client: KafkaAdminClient) -> list[Rule]:
    """Return the rules of a cluster that allow something to a user on every host; others a file cannot hold."""
    from kafka.admin import (  # noqa: PLC0415 - slow, see backbone.clients
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )
    from kafka.errors import SecurityDisabledError  # noqa: PLC0415

    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    try:
        acls, _ = client.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, everything))
    except SecurityDisabledError as error:
        raise StackError(
            "no-authorizer",
            "the brokers ask nobody for leave: they have no authorizer",
            hint="set KAFKA_SECURITY=secure in .env, then\n./invoke down && ./invoke up",
            exit_code=ExitCode.USAGE,
        ) from error
    return [
        Rule(
            acl.principal.removeprefix(_PREFIX),
            acl.resource_pattern.resource_type.name.lower(),
            acl.resource_pattern.resource_name,
            acl.resource_pattern.pattern_type.name.lower(),
            acl.operation.name.lower(),
        )
        for acl in acls
        if acl.permission_type == ACLPermissionType.ALLOW and acl.host == "*" and acl.principal.startswith(_PREFIX)
    ]


def apply(client: KafkaAdminClient, changes: Sequence[Change]) -> None:
    """Carry out a plan; StackError("access-refused") with the broker's words for a rule that it does not take."""
    allowed = [_acl(change.rule) for change in changes if change.kind == "allow"]
    revoked = [_acl(change.rule) for change in changes if change.kind == "revoke"]
    refused = [error.__name__ for error in client.create_acls(allowed)["failed"]] if allowed else []
    if revoked:
        refused += [error.__name__ for _, _, error in client.delete_acls(revoked) if error.errno]
    if refused:
        raise StackError(
            "access-refused",
            f"the cluster does not take {len(refused)} of {len(changes)} rules",
            context=", ".join(sorted(set(refused))),
            hint="./invoke access plan",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _acl(rule: Rule) -> Any:
    from kafka.admin import (  # noqa: PLC0415 - slow, see backbone.clients
        ACL,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourceType,
    )

    kind = ACLResourcePatternType[rule.pattern.upper()]
    pattern = ResourcePattern(ResourceType[rule.resource.upper()], rule.name, kind)
    operation = ACLOperation[rule.operation.upper()]
    return ACL(f"{_PREFIX}{rule.user}", "*", operation, ACLPermissionType.ALLOW, pattern)
