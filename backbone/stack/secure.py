"""The secure profile of a stack, as its Compose files have it: who holds a certificate, and where the secrets are.

A service that shows a certificate says where it finds it (`x-certificate`), and the folder that is mounted there is its
own one of `${SECRETS_DIR}/kafka`. A stack without such a service asks nobody who they are (KAFKA_SECURITY=plaintext).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from backbone import client_properties
from backbone.addresses import ANY_ADDRESS, listeners
from backbone.errors import ExitCode, StackError
from backbone.security import users
from backbone.security.layout import ADMIN, Secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from backbone.stack.compose import Model, Service

_MARK = "x-certificate"
_HERE = ("localhost", "127.0.0.1")
_NAMED = {""}
"""The logins that this process has named by itself."""


def folder(service: Service) -> Path | None:
    """Return the folder with a service's certificate, None for one that shows none."""
    target = service.raw.get(_MARK)
    return next((Path(mount.source) for mount in service.mounts if target and mount.target == target), None)


def secrets(model: Model) -> Secrets | None:
    """Return where the secrets of a stack are, None for one that asks nobody who they are."""
    found = (folder(service) for service in model.services.values())
    return next((Secrets(own.parent) for own in found if own), None)


def identify(model: Model, bootstrap: Sequence[str]) -> None:
    """Let the Kafka clients of this process, and of those it starts, log in as the administrator of a stack.

    In a stack that asks nobody, and before the first start, they show nothing. A login that somebody else has named
    (--command-config, the environment) stays. Where containers have made the password, its client.properties is made.
    """
    if os.environ.get(client_properties.CONFIG, "") not in _NAMED:
        return
    known = secrets(model)
    file = known.properties(ADMIN) if known else None
    if known and file and not file.exists() and known.password(ADMIN).exists():
        users.write(known, ADMIN, bootstrap)
    given = client_properties.read(file) if file and file.exists() else client_properties.PLAINTEXT
    client_properties.use(given)
    _NAMED.add(os.environ.get(client_properties.CONFIG, ""))


def prepare(services: Iterable[Service], bootstrap: Sequence[str], *, now: float) -> list[str]:
    """Make the certificates that services are about to show, and what the administrator logs in with.

    Return the names of those whose certificate was made. now: seconds since the epoch.
    """
    own = {found.name: (found, service) for service in services if (found := folder(service))}
    if not own:
        return []
    from backbone.security import certificates  # noqa: PLC0415 - what it imports is there for this profile only

    home = Secrets(next(iter(own.values()))[0].parent)
    wanted = {name: hosts(service) for name, (_, service) in own.items()} | {ADMIN: set()}
    made = [name for name, shown in wanted.items() if certificates.ensure(home.folder, name, shown, now=now)]
    users.write(home, ADMIN, bootstrap)
    return made


def hosts(service: Service) -> set[str]:
    """Return the names and addresses by which clients come to a service."""
    advertised = listeners(service.environment.get("KAFKA_ADVERTISED_LISTENERS", ""))
    named = {one.host.strip("[]") for one in advertised.values()}
    return {service.hostname, *_HERE, *named} - ANY_ADDRESS


def demand_one_kind(running: Model, declared: Model) -> None:
    """Raise StackError("security-switch") if services run otherwise than the files say: nodes do not mix the two.

    running: with what runs as it was started; declared: as the files say.
    """
    other = [name for name in running.services if (folder(running[name]) is None) != (folder(declared[name]) is None)]
    if other:
        now, then = ("plaintext", "secure") if secrets(declared) else ("secure", "plaintext")
        raise StackError(
            "security-switch",
            f"{', '.join(other)} run with KAFKA_SECURITY={now}, and the files say {then}",
            context="all have to change at once; data, topics and contracts stay, and so do users and their rules",
            hint="./invoke down && ./invoke up",
            exit_code=ExitCode.USAGE,
        )
