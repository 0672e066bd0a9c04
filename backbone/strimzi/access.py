"""Users and their rules as access.yml has them, and as KafkaUsers have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from backbone.errors import ExitCode, StackError
from backbone.security import access as rules
from backbone.source import reading
from backbone.strimzi.model import Acl, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from backbone.stack.settings import Settings
    from backbone.strimzi.model import Authentication

FILE = rules.FILE
"""Below the root of a home."""

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


def fits(acl: Acl) -> bool:
    """Tell whether a file can hold a rule."""
    return not _reason(acl)


def not_taken(user: User) -> Sequence[str]:
    """Return the rules of a user that a file cannot hold, each with the reason."""
    return [f"{acl.kind} {acl.resource} {acl.name}: {reason}" for acl in user.acls if (reason := _reason(acl))]


def _reason(acl: Acl) -> str:
    if acl.kind != "allow":
        return "access.yml only allows; what nothing allows is refused"
    if acl.host != "*":
        return f"for the host {acl.host} only; rules here are for every host"
    if acl.resource not in {*_RESOURCES.values(), "cluster"}:
        return f"access.yml has no {acl.resource}; it has {', '.join(_RESOURCES.values())} and cluster"
    return ""


def meaning(content: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """Return what a file allows, a tuple for each operation on each resource, however it is written."""
    return {
        (user.name, user.authentication, acl.resource, acl.name, acl.pattern, operation)
        for user in users(content)
        for acl in user.acls
        for operation in acl.operations
    } | {(user.name, user.authentication) for user in users(content)}
