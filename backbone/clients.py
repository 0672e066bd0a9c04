"""Kafka clients for this cluster: the one place that makes them and knows their settings.

The settings have kafka-python's names; docs/performance.md gives the Java names, the reason and the measured effect of
each. The failover settings (docs/failover.md) buy shorter stalls when a broker goes for more requests on healthy days.
kafka-python is imported when a client is opened: it takes 0.3 s, which tasks without one need not pay.
How they log in, and whom they trust, is this process's client.properties file (backbone.client_properties).
"""

from __future__ import annotations

import logging
import shlex
import sys
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from backbone import client_properties, kafka_probe, refusals
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer
    from kafka.admin import KafkaAdminClient

    from backbone.client_properties import ClientSecurity

_CONNECTION: Mapping[str, Any] = MappingProxyType(
    {
        # After an outage the default lets a client ignore a healed broker for up to 30 s (Java: 1 s).
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 500,
        "retry_backoff_ms": 50,
        # A broker that is frozen or cut off keeps its sockets open; this is how long a client believes in it.
        "request_timeout_ms": 5_000,
        # No topic may be created by a typing error.
        "allow_auto_create_topics": False,
        # A task says that brokers which take a connection do not answer after this, not after 30 s.
        "bootstrap_timeout_ms": 5_000,
    }
)

_ADMIN: Mapping[str, Any] = MappingProxyType(
    {name: value for name, value in _CONNECTION.items() if name != "allow_auto_create_topics"}
)

PRODUCER: Mapping[str, Any] = MappingProxyType(
    {
        **_CONNECTION,
        # An acknowledged record survives the loss of any one node (with min.insync.replicas=2 on the broker).
        "acks": "all",
        "enable_idempotence": True,
        # Longer than any fail-over of the cluster: a stall must not become a lost record.
        "delivery_timeout_ms": 120_000,
        # Kafka 4's own default (KIP-1030): on few cores a small batch costs less time than the requests it saves.
        "linger_ms": 5,
    }
)

BULK_PRODUCER: Mapping[str, Any] = MappingProxyType(
    {
        **PRODUCER,
        # Many records at once, and nobody waits for a single one: full batches cost a third of the CPU (docs/adr/0110).
        "linger_ms": 100,
        "batch_size": 262_144,
    }
)

CONSUMER: Mapping[str, Any] = MappingProxyType(
    {
        **_CONNECTION,
        # The offset is committed by the application when its work is done, not by a timer before that.
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        # The broker answers at the first byte; waiting longer only saves empty answers.
        "fetch_min_bytes": 1,
        "fetch_max_wait_ms": 500,
    }
)

_IMPATIENT: Mapping[str, Any] = MappingProxyType(
    {
        # A frozen or cut-off broker keeps its sockets open: only this clock ends the wait for it.
        "request_timeout_ms": 1_500,
        # A producer asks for a new leader only when the next attempt at the dead one has failed.
        "reconnect_backoff_max_ms": 100,
        # Hear of a new leader before a request to the old one has timed out. And a leader that is cut off from its
        # peers, but not from us, keeps telling us that it leads (default 5 min).
        "metadata_max_age_ms": 1_000,
        # A client may start while brokers are frozen.
        "bootstrap_timeout_ms": 30_000,
    }
)

FAILOVER_PRODUCER: Mapping[str, Any] = MappingProxyType({**PRODUCER, **_IMPATIENT, "linger_ms": 2})

FAILOVER_CONSUMER: Mapping[str, Any] = MappingProxyType(
    {
        **CONSUMER,
        **_IMPATIENT,
        # Polling a leader for new data waits at most this; it must stay below request_timeout_ms.
        "fetch_max_wait_ms": 100,
        # A broker that was cut off says what it last knew, and kafka-python 3.0.12 believes it. The old leader, asked
        # for an offset it never got, says "out of range" (KIP-320), and a policy would begin at the start again.
        "auto_offset_reset": "none",
        # The group gives our partitions away after this (default 45 s); not below group.min.session.timeout.ms.
        "session_timeout_ms": 6_000,
        "heartbeat_interval_ms": 1_000,
    }
)


def producer(bootstrap: Sequence[str], **changes: Any) -> KafkaProducer:
    """Open a producer with PRODUCER and `changes` over that; StackError("no-broker") if none of the addresses answers.

    Without a key, records stay with one partition until a batch is full (KIP-480).
    """
    from kafka import KafkaProducer  # noqa: PLC0415 - see above
    from kafka.partitioner.sticky import StickyPartitioner  # noqa: PLC0415

    # A partitioner keeps state, so each producer gets its own.
    return _open(KafkaProducer, bootstrap, {**PRODUCER, "partitioner": StickyPartitioner(), **changes})


def consumer(bootstrap: Sequence[str], **changes: Any) -> KafkaConsumer:
    """Open a consumer with CONSUMER and `changes` over that; StackError("no-broker") if none of the addresses answers.

    One of a group subscribes with `join`.
    """
    from kafka import KafkaConsumer  # noqa: PLC0415 - see above

    return _open(KafkaConsumer, bootstrap, {**CONSUMER, **changes})


@contextmanager
def admin(bootstrap: Sequence[str], **changes: Any) -> Iterator[KafkaAdminClient]:
    """Open an admin client for a block, with `changes` over its settings.

    Raises StackError("no-broker") if none of the addresses answers, "kafka-request" for a request that failed.
    """
    from kafka.admin import KafkaAdminClient  # noqa: PLC0415 - see above

    client = _open(KafkaAdminClient, bootstrap, {**_ADMIN, **changes})
    try:
        with errors_as("kafka-request", "the cluster refused or did not answer a request", hint="./invoke status"):
            yield client
    finally:
        client.close()


@contextmanager
def errors_as(reference: str, message: str, hint: str = "./invoke status\n./invoke doctor") -> Iterator[None]:
    """Turn what kafka-python raises in the block into StackError(reference, message), exit code 4.

    Everywhere, records in a compression that this Python has no library for are StackError("unsupported-codec"), what
    no rule of the cluster allows is StackError("not-allowed"), and a name that is no text is StackError("no-text").
    """
    from kafka import errors  # noqa: PLC0415 - see above

    try:
        yield
    except errors.UnsupportedCodecError as error:
        raise StackError(
            "unsupported-codec",
            "there are records in a compression that cannot be read here",
            context=str(error),
            hint=f"{shlex.quote(sys.executable)} -m pip install --force-reinstall lz4 python-snappy zstandard",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    except UnicodeEncodeError as error:
        raise StackError("no-text", f"{error.object!r} is no name that Kafka has", exit_code=ExitCode.USAGE) from error
    except errors.KafkaError as error:
        # A transaction that was refused tells it in words only.
        if isinstance(error, errors.AuthorizationError) or "AuthorizationFailedError" in str(error):
            raise refusals.not_allowed(client_properties.current(), str(error)) from error
        raise StackError(
            reference, message, context=str(error)[:400], hint=hint, exit_code=ExitCode.ENVIRONMENT
        ) from error


def identity(security: ClientSecurity) -> dict[str, Any]:
    """Return the settings of a client that shows this to its cluster.

    Raises StackError("bad-client-properties") for a certificate that cannot be used.
    """
    found: dict[str, Any] = {"security_protocol": security.protocol}
    if security.tls:
        found["ssl_context"] = client_properties.context(security)
    if security.sasl:
        found["sasl_mechanism"] = security.mechanism
        found["sasl_plain_username"], found["sasl_plain_password"] = security.username, security.password
    return found


def _open(make: Callable[..., Any], bootstrap: Sequence[str], settings: Mapping[str, Any]) -> Any:
    from kafka.errors import KafkaConnectionError  # noqa: PLC0415 - see above

    from backbone.kafka_network import NetClient  # noqa: PLC0415 - see above

    # While brokers start or go, refused connections are expected; the library would log each of them.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    security = client_properties.current()
    try:
        with errors_as(
            "no-broker", f"no broker answers at {', '.join(bootstrap)}", hint="./invoke status\n./invoke up"
        ):
            if words := kafka_probe.refused(bootstrap):
                # The library would try again until its time is up.
                raise KafkaConnectionError(words)
            return make(bootstrap_servers=list(bootstrap), kafka_client=NetClient, **{**identity(security), **settings})
    except StackError as error:
        # The library does not say what it was refused for.
        if error.reference == "no-broker" and security.file:
            kafka_probe.demand(bootstrap, security)
        raise


def commit(producer: KafkaProducer) -> None:
    """Commit a producer's transaction.

    Its records go first: when a partition is refused while a commit waits for them, kafka-python 3.0.12 sleeps on, for
    minutes, before the commit hears of it.
    """
    producer.flush()
    producer.commit_transaction()


def join(consumer: KafkaConsumer, topic: str, listener: ConsumerRebalanceListener | None = None) -> None:
    """Subscribe to a topic, and know its partitions before the group is joined.

    kafka-python 3.0.12 joins without waiting for them: its first assignment is empty, and it joins once more when they
    are known. If a poll() times out during that second time, the outcome is dropped, and the consumer sits there
    without partitions forever (one in some 150 on this cluster).
    """
    consumer.subscribe([topic], listener=listener)
    consumer.partitions_for_topic(topic)
