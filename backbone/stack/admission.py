"""Who gets into a stack of the secure profile, and what they may do there: users and rules, from files to cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone import clients
from backbone.security import access, users
from backbone.stack import secure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kafka.admin import KafkaAdminClient

    from backbone.security.layout import Secrets
    from backbone.stack.engine import Stack
    from backbone.stack.engine.base import Progress


def check(stack: Stack) -> tuple[access.User, ...]:
    """Return the users of a stack that asks who they are, none of another; StackError("access-file") before a start."""
    return access.read(stack.settings.root / access.FILE) if secure.secrets(stack.model) else ()


def enter(client: KafkaAdminClient, secrets: Secrets, named: Sequence[access.User], bootstrap: Sequence[str]) -> None:
    """Make what the users with a password lack of password and files, and let the cluster know their passwords."""
    with_password = [user.name for user in named if user.login == "password"]
    for name in with_password:
        users.write(secrets, name, bootstrap)
    if with_password:
        users.enter(client, secrets, with_password)


def admit(
    client: KafkaAdminClient, secrets: Secrets, named: Sequence[access.User], bootstrap: Sequence[str]
) -> Sequence[access.Change]:
    """Enter passwords, put what the rules lack in force, and return how they differed."""
    enter(client, secrets, named, bootstrap)
    changes = access.plan(named, access.describe(client))
    access.apply(client, [change for change in changes if change.kind == "allow"])
    return changes


def grant(stack: Stack, progress: Progress) -> None:
    """Tell the cluster each user's password and what access.yml allows; do nothing for a stack that asks nobody.

    What the cluster allows beyond the file stays, and is told. Raises StackError("access-file").
    """
    secrets = secure.secrets(stack.model)
    if secrets is None or not stack.bootstrap:
        return
    named = check(stack)
    with clients.admin(stack.bootstrap) as client:
        changes = admit(client, secrets, named, stack.bootstrap)
    allowed = sum(change.kind == "allow" for change in changes)
    if allowed:
        progress(f"access: {allowed} rules of {access.FILE.name} are in force now")
    if beyond := len(changes) - allowed:
        progress(f"access: {beyond} rules are not in {access.FILE.name}; ./invoke access plan shows them")
