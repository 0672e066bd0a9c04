"""Users with a password: its file, the client.properties that a client of theirs takes, and what the cluster knows.

The cluster keeps a salted hash of each password (SCRAM-SHA-512, RFC 5802; KIP-554), never the password. It is in one
file, made on first use; whoever has the file is the user.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from backbone import durable_file, secret_file
from backbone.errors import ExitCode, StackError
from backbone.security.layout import ADMIN
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from kafka.admin import KafkaAdminClient

    from backbone.security.layout import Secrets

MECHANISM = "SCRAM-SHA-512"
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
    text = "".join(
        f"{name}={value}\n"
        for name, value in {
            "bootstrap.servers": ",".join(bootstrap),
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.jaas.config": jaas(user, password),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": _escaped(str(secrets.ca.absolute())),
        }.items()
    )
    if reading.peek(file) != text:
        durable_file.replace(file, text, mode=0o600)
    return file


def jaas(user: str, password: str) -> str:
    """Return a login as Kafka's Java clients take it (sasl.jaas.config)."""
    return f'{_MODULE} required username="{user}" password="{password}";'


def enter(client: KafkaAdminClient, secrets: Secrets, users: Iterable[str]) -> None:
    """Let the cluster know the passwords of these users; StackError("user-refused") for one that it does not take."""
    said = client.alter_user_scram_credentials([_credential(secrets, user) for user in users])
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

    if users:
        client.alter_user_scram_credentials([UserScramCredentialDeletion(user, MECHANISM) for user in users])
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
    from kafka.admin import UserScramCredentialUpsertion  # noqa: PLC0415 - slow, see backbone.clients

    return UserScramCredentialUpsertion(user, MECHANISM, _password(secrets, user))


def _password(secrets: Secrets, user: str) -> str:
    return reading.read_text(secret_file.ensure(secrets.password(user))).strip()


def _escaped(path: str) -> str:
    """Return a path as java.util.Properties reads it."""
    return path.replace("\\", "\\\\")
