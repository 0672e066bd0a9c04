"""RabbitMQ's own smoke test: one confirmed, persistent message through a quorum queue and back."""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.wait import CLOCK, Clock, wait_until

if TYPE_CHECKING:
    from pathlib import Path

_READ_S = 10.0
_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """Who may connect; the password stays out of what is printed."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Account({self.user!r})"


class Channel(Protocol):
    """What the test needs of an AMQP channel; the queue is one of its own."""

    def declare(self, queue: str) -> None:
        """Make a durable quorum queue."""

    def publish(self, queue: str, body: bytes) -> None:
        """Send a persistent message and return when the broker has confirmed it."""

    def get(self, queue: str) -> bytes | None:
        """Take and acknowledge one message, None if there is none yet."""

    def delete(self, queue: str) -> None:
        """Remove the queue."""


def smoke(channel: Channel, clock: Clock = CLOCK) -> str:
    """Send a message and read it back; return its content. StackError("rabbitmq-differs") if it is another."""
    queue, sent = f"smoke-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex.encode()
    channel.declare(queue)
    try:
        channel.publish(queue, sent)
        read = wait_until(lambda: channel.get(queue), what="the message to come back", timeout=_READ_S, clock=clock)
    finally:
        channel.delete(queue)
    if read != sent:
        raise StackError("rabbitmq-differs", f"sent {sent!r}, read {read!r}")
    return sent.decode()


def read_account(file: Path) -> Account:
    """Return the account that the one-shot made; StackError("no-rabbitmq-account") before RabbitMQ ever started."""
    try:
        lines = reading.read_text(file).splitlines()
    except StackError as error:
        raise StackError(
            "no-rabbitmq-account",
            f"cannot read {file}",
            context=error.context,
            hint="docker compose --profile rabbitmq up -d --wait",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    values = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    if lacking := [key for key in ("default_user", "default_pass") if not values.get(key)]:
        raise StackError(
            "no-rabbitmq-account",
            f"{file} has no {lacking[0]}",
            hint=f"rm {shlex.quote(str(file))} && docker compose --profile rabbitmq up -d --wait",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return Account(values["default_user"], values["default_pass"])


class AmqpChannel:
    """A channel of a real broker, by pika."""

    def __init__(self, host: str, port: int, account: Account) -> None:
        import pika  # noqa: PLC0415 - only this test speaks AMQP

        credentials = pika.PlainCredentials(account.user, account.password)
        parameters = pika.ConnectionParameters(
            host, port, credentials=credentials, socket_timeout=_CONNECT_S, blocked_connection_timeout=_READ_S
        )
        try:
            self._connection = pika.BlockingConnection(parameters)
        except pika.exceptions.AMQPError as error:
            raise StackError(
                "no-rabbitmq",
                f"no RabbitMQ answers at {host}:{port}",
                context=repr(error),
                hint="docker compose --profile rabbitmq up -d --wait",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)

    def declare(self, queue: str) -> None:
        """Make a durable quorum queue."""
        self._channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})

    def publish(self, queue: str, body: bytes) -> None:
        """Send a persistent message; raises when the broker does not confirm or route it."""
        self._channel.basic_publish("", queue, body, properties=self._persistent, mandatory=True)

    def get(self, queue: str) -> bytes | None:
        """Take and acknowledge one message."""
        method, _, body = self._channel.basic_get(queue)
        if method is None:
            return None
        self._channel.basic_ack(method.delivery_tag)
        return bytes(body)

    def delete(self, queue: str) -> None:
        """Remove the queue."""
        self._channel.queue_delete(queue)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
