"""One fingerprint of all that a running stack holds, so that a restore can be proved and not only believed.

Every record counts by its offset, timestamp, key, value and headers. Left out are the topics in which Kafka, the
registry and Kafka Connect keep their own state: these are written at each start. What they hold is asked of their
owners instead. Of a SCRAM user Kafka tells mechanism and iterations, never the secret (KIP-554).
"""

from __future__ import annotations

import hashlib
import json
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.events.archive.database import Database
from backbone.events.connectors import worker
from backbone.events.contracts import registry as schema_registry
from backbone.stack import groups, postgres, topics
from backbone.stack.topic_rules import memory
from backbone.wait import CLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.events.contracts.registry import Registry
    from backbone.stack.engine import Stack
    from backbone.wait import Clock

Untyped: TypeAlias = Any
"""A value of kafka-python or psycopg."""

State: TypeAlias = "dict[str, object]"
"""What of a stack (records, topics, …) → all that it holds, as a value of JSON."""

_POLL_MS = 500
_IDLE_S = 30.0
_WORKERS = "connect"
_TABLES = """
    SELECT n.nspname, c.relname, c.relkind::text,
           array(SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
                 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm', 'i')
          AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
    ORDER BY 1, 2"""
_ROLES = "SELECT rolname, rolsuper, rolcanlogin, rolreplication FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
_DYNAMIC = frozenset({"DYNAMIC_BROKER_CONFIG", "DYNAMIC_DEFAULT_BROKER_CONFIG"})
"""What is set on one broker while it runs, and on all of them; the rest is in files."""

_WITH_ROWS = frozenset("rpS")


def of(stack: Stack) -> dict[str, str]:
    """Return what → fingerprint for a running stack, and "all" of them; StackError("no-broker") if none answers."""
    return digests(gather(stack))


def digests(state: State) -> dict[str, str]:
    """Return a digest of each part of a state, and of all of it."""
    found = {what: _digest(held) for what, held in sorted(state.items())}
    return {**found, "all": _digest(found)}


def gather(stack: Stack) -> State:
    """Return all that a running stack holds; of services that do not run, nothing."""
    if not stack.bootstrap:
        raise StackError("no-broker", "no broker runs", hint="./invoke up", exit_code=ExitCode.ENVIRONMENT)
    with clients.admin(stack.bootstrap) as client:
        found = _cluster(client)
        names = [name for name in client.list_topics() if not memory(name)]
    found["records"] = _records(stack.bootstrap, names)
    services = stack.model.services
    if "schema-registry" in services:
        found["schemas"] = _schemas(schema_registry.of_stack(stack.model))
    if "kafka-connect" in services:
        found["connectors"] = _connectors(worker.of_stack(stack.model))
    if postgres.SERVICE in services:
        found |= _database(stack)
    return found


def record_crc(crc: int, record: Untyped) -> int:
    """Return the checksum of the records before and of this one."""
    headers = [(key, value) for key, value in record.headers or ()]
    said = (record.offset, record.timestamp, record.timestamp_type, record.key, record.value, headers)
    return zlib.crc32(repr(said).encode(), crc)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _cluster(client: Untyped) -> State:
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - slow, see backbone.clients

    brokers = [ConfigResource(ConfigResourceType.BROKER, str(each["broker_id"])) for each in _brokers(client)]
    configs = client.describe_configs(brokers, config_filter="all").get("broker", {})
    chosen = [each for each in groups.find(client) if each.protocol != _WORKERS]
    return {
        "topics": {
            name: [topic.partitions, topic.replicas, dict(topic.config)]
            for name, topic in topics.describe(client).items()
            if not memory(name)
        },
        "brokers": {
            name: {
                key: [str(value["value"]), value["config_source"]]
                for key, value in config.items()
                if value["config_source"] in _DYNAMIC
            }
            for name, config in configs.items()
        },
        "groups": {
            each.name: [each.kind, {f"{at.topic}-{at.partition}": at.committed for at in held if not memory(at.topic)}]
            for each, held in _places(client, chosen)
            if each.kind == groups.SHARE or any(not memory(at.topic) for at in held)  # the registry makes one a start
        },
        "users": {
            name: [[str(each["mechanism"]), each["iterations"]] for each in found["credential_infos"]]
            for name, found in client.describe_user_scram_credentials().items()
        },
        "acls": _acls(client),
    }


def _brokers(client: Untyped) -> Sequence[Mapping[str, Untyped]]:
    return list(client.describe_cluster()["brokers"])


def _places(client: Untyped, chosen: Sequence[groups.Group]) -> list[tuple[groups.Group, Sequence[groups.Place]]]:
    held = groups.places(client, chosen)
    return [(each, held.get(each.name, ())) for each in chosen]


def _acls(client: Untyped) -> list[str]:
    from kafka.admin import (  # noqa: PLC0415 - slow, see backbone.clients
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )
    from kafka.errors import SecurityDisabledError  # noqa: PLC0415 - as above

    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    with suppress(SecurityDisabledError):  # the cluster has no authorizer, so no rules either
        found, _ = client.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, anything))
        return sorted(map(str, found))
    return []


def _records(bootstrap: Sequence[str], names: Sequence[str], clock: Clock = CLOCK) -> dict[str, list[int]]:
    """Return partition → (first offset, end, number of records, checksum), aborted records among them."""
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    consumer = clients.consumer(bootstrap, isolation_level="read_uncommitted", group_id=None)
    try:
        with clients.errors_as("kafka-request", "the records cannot be read"):
            parts = [
                TopicPartition(name, number)
                for name in names
                for number in sorted(consumer.partitions_for_topic(name) or ())
            ]
            first, end = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
            found = {each: [first[each], end[each], 0, 0] for each in parts}
            consumer.assign(parts)
            for each in parts:
                consumer.seek(each, first[each])
            moved = clock.now()
            while behind := [each for each in parts if consumer.position(each) < end[each]]:
                came = consumer.poll(timeout_ms=_POLL_MS)
                for each, records in came.items():
                    for record in records:
                        if record.offset < end[each]:
                            found[each][2:] = found[each][2] + 1, record_crc(found[each][3], record)
                moved = clock.now() if came else moved
                if clock.now() - moved > _IDLE_S:
                    raise StackError(
                        "records-unread",
                        f"{behind[0].topic}-{behind[0].partition} was not read to its end in {_IDLE_S:g} s",
                        hint="./invoke status",
                        exit_code=ExitCode.TIMEOUT,
                    )
    finally:
        consumer.close()
    return {f"{each.topic}-{each.partition}": numbers for each, numbers in sorted(found.items())}


def _schemas(registry: Registry) -> dict[str, object]:
    found: dict[str, object] = {
        subject: [registry.level(subject), [list(each) for each in registry.versions(subject)]]
        for subject in registry.subjects()
    }
    return {**found, "": registry.level()}


def _connectors(own: worker.Worker) -> dict[str, object]:
    return {
        name: [own.config(name), state and state.state, own.places(name)]
        for name in own.connectors()
        for state in (own.state(name),)
    }


def _database(stack: Stack) -> State:
    from psycopg import sql  # noqa: PLC0415 - what has no database need not load it

    server = postgres.server(stack.model)
    database = Database(server.host, server.port, server.name, server.user, server.password_file, "")
    tables: dict[str, object] = {}
    with database.connect() as connection:
        for schema, name, kind, columns in connection.execute(_TABLES).fetchall():
            crc = 0
            if kind in _WITH_ROWS:
                rows = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(schema, name))
                for (row,) in connection.execute(rows):
                    crc = zlib.crc32(f"{row}\n".encode(), crc)
            tables[f"{schema}.{name}"] = [kind, columns, crc]
        roles = [list(each) for each in connection.execute(_ROLES)]
    return {"tables": tables, "roles": roles}
