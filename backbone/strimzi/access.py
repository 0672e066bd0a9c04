"""Users and their rules as access.yml has them, and as KafkaUsers have them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from backbone import json_schema, resources
from backbone.errors import ExitCode, StackError
from backbone.security import access as rules
from backbone.source import reading
from backbone.strimzi.model import Acl, User

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from backbone.json_schema import Departure
    from backbone.security.access import Rule
    from backbone.stack.settings import Settings
    from backbone.strimzi.model import Authentication

FILE = rules.FILE
"""Below the root of a home."""

_SCHEMA = resources.schema("access.schema.json")
_LOGINS: Mapping[str, Authentication] = {"password": "scram-sha-512", "certificate": "tls"}
_RESOURCES = {"topics": "topic", "groups": "group", "transactional_ids": "transactionalId"}
_CLUSTER = "kafka-cluster"


def of_home(settings: Settings) -> tuple[User, ...]:
    """Return the users of a home that asks for a login (KAFKA_SECURITY=secure), none of one that does not.

    Raises StackError("access-invalid") for a file that is not valid.
    """
    if settings.variables().get("KAFKA_SECURITY") != "secure":
        return ()
    path = settings.root / FILE
    try:
        return users(yaml.safe_load(reading.read_text(path)))
    except (yaml.YAMLError, *reading.NONSENSE) as error:
        raise StackError(
            "access-invalid",
            f"{FILE.name} cannot be read",
            context=f"{path}: {type(error).__name__} {error}",
            exit_code=ExitCode.USAGE,
        ) from error


def users(body: Mapping[str, Any]) -> tuple[User, ...]:
    """Return the users of a file's content."""
    return tuple(
        User(name, _LOGINS[user["login"]], tuple(acl for may in user["may"] for acl in _acls(may)))
        for name, user in body["users"].items()
    )


def _acls(may: Mapping[str, Any]) -> Iterator[Acl]:
    operations = tuple(map(_there, may["do"]))
    for key, resource in _RESOURCES.items():
        for name in may.get(key, ()):
            pattern = "prefix" if name.endswith("*") and name != "*" else "literal"  # * alone is every name, there too
            yield Acl(resource, name.removesuffix("*") if pattern == "prefix" else name, operations, pattern)
    if may.get("cluster"):
        yield Acl("cluster", _CLUSTER, operations)


def as_running(said: Sequence[User], found: Iterable[Rule], with_password: Collection[str]) -> tuple[User, ...]:
    """Return the users of a file with what a cluster allows them, and those that only the cluster knows.

    found: its rules; with_password: who has a password there. A user of the file without one is not there. Rules that
    are as in the file stand as there.
    """
    there = {_acl_of(rule) for rule in found}
    known = {user.name: user for user in said}
    strangers = sorted({name for name, _ in there} - known.keys())
    there_too = [user for user in said if user.authentication == "tls" or user.name in with_password]
    new = [User(name, "scram-sha-512" if name in with_password else "tls") for name in strangers]
    return tuple(replace(user, acls=_with(user.acls, {acl for name, acl in there if name == user.name}))
                 for user in (*there_too, *new))  # fmt: skip


def _with(said: Sequence[Acl], there: set[Acl]) -> tuple[Acl, ...]:
    """Return rules with the operations that are in force, then those beyond them. there: one operation each."""
    kept, seen = [], set()
    for acl in said:
        single = {operation: replace(acl, operations=(operation,)) for operation in acl.operations}
        in_force = {operation: each for operation, each in single.items() if each in there}
        seen |= set(in_force.values())
        if in_force:
            kept.append(replace(acl, operations=tuple(in_force)))
    beyond = sorted(there - seen, key=lambda acl: (acl.resource, acl.name, acl.pattern, acl.operations))
    return (*kept, *beyond)


def _acl_of(rule: Rule) -> tuple[str, Acl]:
    """Return a cluster's rule: the user's name, and what they may do."""
    resource = "transactionalId" if rule.resource == "transactional_id" else rule.resource
    pattern = "prefix" if rule.pattern == "prefixed" else rule.pattern
    return rule.user, Acl(resource, rule.name, (_there(rule.operation),), pattern)


def _there(operation: str) -> str:
    """Return an operation as Strimzi writes it: describe_configs is DescribeConfigs."""
    return "".join(part.capitalize() for part in operation.split("_"))


def _here(operation: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).removeprefix("_")


def body(found: Iterable[User]) -> dict[str, Any]:
    """Return the content of a file with these users, whose rules all fit into one."""
    logins = {there: here for here, there in _LOGINS.items()}
    return {
        "users": {
            user.name: {
                "login": logins[user.authentication],
                "may": [_may(acl) for acl in user.acls],
            }
            for user in found
        }
    }


def _may(acl: Acl) -> dict[str, Any]:
    may: dict[str, Any] = {"do": list(map(_here, acl.operations))}
    keys = {there: here for here, there in _RESOURCES.items()}
    if acl.resource == "cluster":
        return may | {"cluster": True}
    return may | {keys[acl.resource]: [acl.name + "*" * (acl.pattern == "prefix")]}


def faults(user: User) -> Sequence[Departure]:
    """Return why a file cannot name a user, or hold their rules, by its schema: such a name, such an operation."""
    return json_schema.departures(_SCHEMA, body([user]))


def taken(user: User) -> tuple[User, Sequence[str]]:
    """Return a user with the rules that a file can hold, and the others, each with the reason.

    A rule that allows stays out as well where one that refuses cuts into it: without that it would allow more.
    """
    refusing = [acl for acl in user.acls if acl.kind != "allow"]
    reasons = [(acl, _reason(acl) or _cut(acl, refusing)) for acl in user.acls]
    kept = tuple(acl for acl, reason in reasons if not reason)
    told = [f"{acl.kind} {acl.resource} {acl.name}: {reason}" for acl, reason in reasons if reason]
    return replace(user, acls=kept), told


def _cut(acl: Acl, refusing: Sequence[Acl]) -> str:
    """Return why an allowing rule would allow more without one that refuses, "" if none cuts into it."""
    for other in refusing:
        same = acl.resource == other.resource and (_meet(acl, other) or _meet(other, acl))
        if same and ("All" in {*acl.operations, *other.operations} or set(acl.operations) & set(other.operations)):
            return f"the rule that refuses {other.name} cuts into it, and would be missing"
    return ""


def _meet(wider: Acl, other: Acl) -> bool:
    """Tell whether the names of a rule reach those of another."""
    if wider.pattern == "prefix":
        return other.name.startswith(wider.name)
    return wider.name in {"*", other.name}


def _reason(acl: Acl) -> str:
    """Return why a file cannot hold a rule, "" for one that it can."""
    known = (*_RESOURCES.values(), "cluster")
    starred = acl.name.endswith("*") and acl.name != "*"
    reasons = {
        "access.yml only allows; what nothing allows is refused": acl.kind != "allow",
        "access.yml takes a * at the end of a name for every name that begins so": acl.pattern == "literal" and starred,
        "no name of Kafka's has a *": acl.pattern == "prefix" and acl.name.endswith("*"),
        f"access.yml has no pattern {acl.pattern}": acl.pattern not in {"literal", "prefix"},
        f"for the host {acl.host} only; rules here are for every host": acl.host != "*",
        f"access.yml has no {acl.resource}; it has {', '.join(known)}": acl.resource not in known,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def meaning(content: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """Return what a file allows, a tuple for each operation on each resource, however it is written."""
    return {
        (user.name, user.authentication, acl.resource, acl.name, acl.pattern, operation)
        for user in users(content)
        for acl in user.acls
        for operation in acl.operations
    } | {(user.name, user.authentication) for user in users(content)}
