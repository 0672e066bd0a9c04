"""The user of a lease, where brokers ask who a client is: what it may do ends at the prefix of the lease."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backbone import client_properties, kafka_probe
from backbone.errors import StackError
from backbone.lease_names import prefix_of
from backbone.security import access, users
from backbone.security.access import Change, Rule
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kafka.admin import KafkaAdminClient

    from backbone.client_properties import ClientSecurity
    from backbone.security.layout import Secrets

_RESOURCES = ("topic", "group", "transactional_id")
_KNOWN_S = 10.0
_POLL_S = 0.02


def make(client: KafkaAdminClient, secrets: Secrets, prefix: str, bootstrap: Sequence[str]) -> ClientSecurity:
    """Make a user named as the prefix, who may do everything below it; return its login once every broker takes it."""
    login = client_properties.read(users.write(secrets, prefix, bootstrap))
    # First the rules: brokers read both in this order, so one that lets the user in knows what it may do.
    access.apply(client, [Change("allow", Rule(prefix, each, f"{prefix}-", "prefixed", "all")) for each in _RESOURCES])
    users.enter(client, secrets, [prefix])
    for address in bootstrap:
        wait_until(
            partial(_lets_in, address, login), what=f"{address} to let {prefix} in", timeout=_KNOWN_S, interval=_POLL_S
        )
    return login


def remove(client: KafkaAdminClient, secrets: Secrets, ours: Callable[[str], bool]) -> list[str]:
    """Take the rules, passwords and files of every user whose prefix is one of ours; return the users' names."""
    access.apply(client, [Change("revoke", rule) for rule in access.describe(client) if ours(prefix_of(rule.user))])
    gone = [name for name in users.known(client, secrets) if ours(prefix_of(name))]
    users.drop(client, secrets, gone)
    return gone


def _lets_in(address: str, login: ClientSecurity) -> bool:
    """Tell whether a broker takes a login; one that does not run, or hangs, has nothing against it."""
    try:
        kafka_probe.demand([address], login)
    except StackError as error:
        return error.reference == "no-broker"
    return True
