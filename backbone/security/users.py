"""Users with a password: its file, the client.properties that a client of theirs takes, and what the cluster knows.

The cluster keeps a salted hash of each password (SCRAM, RFC 5802; KIP-554), never the password. It is in one file, made
on first use; whoever has the file is the user. Kafka keeps one password for each user and mechanism, and the listener
takes both mechanisms: so a new password comes in by the other one, and the old one goes on until it is taken away.
"""

from __future__ import annotations

import shlex
import socket
import ssl
from typing import TYPE_CHECKING, Any

from backbone import client_properties, durable_file, secret_file
from backbone.errors import ExitCode, StackError
from backbone.security.layout import ADMIN
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from kafka.admin import KafkaAdminClient

    from backbone.security.layout import Secrets

MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
"""A user begins with the first."""

_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
_TIMEOUT_S = 5.0
_CHUNK = 1 << 16


def write(secrets: Secrets, user: str, bootstrap: Sequence[str]) -> Path:
    """Make a user's password, if there is none, and the file that Kafka's own tools take as their configuration.

    Return that file. Absolute paths stand in it: it is written again when the home was moved.
    """
    file = secrets.properties(user)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = _password(secrets, user)
    text = _properties(secrets, user, password, mechanism(secrets, user), bootstrap)
    if reading.peek(file) != text:
        durable_file.replace(file, text, mode=0o600)
    return file


def mechanism(secrets: Secrets, user: str) -> str:
    """Return the mechanism that goes with a user's password."""
    said = client_properties.parse(reading.peek(secrets.properties(user))).get("sasl.mechanism", "")
    return said if said in MECHANISMS else MECHANISMS[0]


def rotate(client: KafkaAdminClient, secrets: Secrets, user: str, bootstrap: Sequence[str]) -> None:
    """Give a user a new password by the mechanism that they do not use now; the old one stays good until `settle`.

    Raises StackError("user-refused"), with the old one in force, and "two-passwords" while that of another time is.
    """
    _demand_password(secrets, user)
    if len(_known(client, user)) > 1:
        raise StackError(
            "two-passwords",
            f"{user} has two passwords already: the former one has not been taken away",
            hint=f"./invoke user settle {shlex.quote(user)}",
            exit_code=ExitCode.USAGE,
        )
    other = MECHANISMS[1 - MECHANISMS.index(mechanism(secrets, user))]
    password = secret_file.new_password()
    _alter(client, [_upsertion(user, other, password)])
    # First the file that has both, so that a task killed here leaves one that works.
    text = _properties(secrets, user, password, other, bootstrap)
    durable_file.replace(secrets.properties(user), text, mode=0o600)
    durable_file.replace(secrets.password(user), password, mode=0o600)


def settle(client: KafkaAdminClient, secrets: Secrets, user: str) -> bool:
    """Take away a user's former password; tell whether there was one. Raises StackError("user-refused")."""
    from kafka.admin import UserScramCredentialDeletion  # noqa: PLC0415 - slow, see backbone.clients

    _demand_password(secrets, user)
    former = _known(client, user) - {mechanism(secrets, user)}
    if former:
        _alter(client, [UserScramCredentialDeletion(user, each) for each in sorted(former)])
    return bool(former)


def _demand_password(secrets: Secrets, user: str) -> None:
    if not secrets.password(user).exists():
        raise no_such_user(secrets, user)


def no_such_user(secrets: Secrets, user: str) -> StackError:
    """Return the error for a user who has no password here."""
    return StackError(
        "no-such-user",
        f"there is no password of a user {user}",
        context="users: " + ", ".join(sorted(file.stem for file in secrets.password(user).parent.glob("*.password"))),
        hint="./invoke access apply",
        exit_code=ExitCode.USAGE,
    )


def _known(client: KafkaAdminClient, user: str) -> set[str]:
    """Return the mechanisms by which a user has a password."""
    found = client.describe_user_scram_credentials([user]).get(user, {})
    return {each["mechanism"].name.replace("_", "-") for each in found.get("credential_infos", ())}


def _properties(secrets: Secrets, user: str, password: str, way: str, bootstrap: Sequence[str]) -> str:
    values = {
        "bootstrap.servers": ",".join(bootstrap),
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": way,
        "sasl.jaas.config": jaas(user, password),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": _escaped(str(secrets.ca.absolute())),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def jaas(user: str, password: str) -> str:
    """Return a login as Kafka's Java clients take it (sasl.jaas.config)."""
    return f'{_MODULE} required username="{user}" password="{password}";'


def enter(client: KafkaAdminClient, secrets: Secrets, users: Iterable[str]) -> None:
    """Let the cluster know the passwords of these users; StackError("user-refused") for one that it does not take."""
    _alter(client, [_credential(secrets, user) for user in users])


def _alter(client: KafkaAdminClient, alterations: Sequence[Any]) -> None:
    said = client.alter_user_scram_credentials(alterations)
    if refused := {user: reason for user, reason in said.items() if reason}:
        raise StackError(
            "user-refused",
            f"the cluster does not take the user {', '.join(sorted(refused))}",
            context="; ".join(sorted(set(refused.values()))),
            hint="./invoke status",
            exit_code=ExitCode.ENVIRONMENT,
        )


def known(client: KafkaAdminClient, secrets: Secrets) -> list[str]:
    """Return the users that the cluster knows a password of, or a file is here of."""
    files = {file.stem for file in secrets.folder.glob("users/*")}
    return sorted(files | {str(name) for name in client.describe_user_scram_credentials()})


def drop(client: KafkaAdminClient, secrets: Secrets, users: Sequence[str]) -> None:
    """Let the cluster forget these users, and remove their files; one that is not there is forgotten already."""
    from kafka.admin import UserScramCredentialDeletion  # noqa: PLC0415 - slow, see backbone.clients

    for way in MECHANISMS if users else ():  # a request names a user once
        client.alter_user_scram_credentials([UserScramCredentialDeletion(user, way) for user in users])
    for user in users:
        secrets.properties(user).unlink(missing_ok=True)
        secrets.password(user).unlink(missing_ok=True)


def admit(secrets: Secrets, address: tuple[str, int], node: str) -> None:
    """Let a cluster know the administrator's password, of whom nobody but his certificate has told it yet.

    By one request to the listener of a node for the stack's services, which any broker passes on to the controller.
    No client library here: the addresses that brokers advertise there are names that only the services know. Raises
    OSError while the node does not answer, or the quorum has no leader.
    """
    from kafka.protocol.admin import AlterUserScramCredentialsRequest  # noqa: PLC0415 - slow, see backbone.clients
    from kafka.protocol.parser import KafkaProtocol  # noqa: PLC0415

    context = ssl.create_default_context(cafile=secrets.ca)
    context.load_cert_chain(secrets.keystore(ADMIN))
    one = _credential(secrets, ADMIN)
    upsertion = (one.user, int(one.mechanism), one.iterations, one.salt, one.salted_password)
    protocol = KafkaProtocol(client_id="backbone-admission")
    protocol.send_request(AlterUserScramCredentialsRequest(deletions=[], upsertions=[upsertion], version=0))
    with (
        socket.create_connection(address, _TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=node) as connected,
    ):
        connected.sendall(protocol.send_bytes())
        answers: list[Any] = []
        while not answers:
            data = connected.recv(_CHUNK)
            if not data:
                raise ConnectionResetError(f"{node} closed the connection")
            answers = protocol.receive_bytes(data)
    ((_, answer),) = answers
    if refused := [result.error_message for result in answer.results if result.error_code]:
        raise OSError(f"{node}: {refused[0]}")


def _credential(secrets: Secrets, user: str) -> Any:
    return _upsertion(user, mechanism(secrets, user), _password(secrets, user))


def _upsertion(user: str, way: str, password: str) -> Any:
    from kafka.admin import UserScramCredentialUpsertion  # noqa: PLC0415 - slow, see backbone.clients

    return UserScramCredentialUpsertion(user, way, password)


def _password(secrets: Secrets, user: str) -> str:
    return reading.read_text(secret_file.ensure(secrets.password(user))).strip()


def _escaped(path: str) -> str:
    """Return a path as java.util.Properties reads it."""
    return path.replace("\\", "\\\\")
