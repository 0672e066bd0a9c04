"""A lease: topics, groups, subjects, tables and transactional ids below one prefix, gone when it ends.

What the holder makes itself below the prefix goes as well: at the end everything is looked for by name. So it does for
leases whose owner is gone (`Leases.reap`).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from backbone import clients
from backbone.errors import StackError
from backbone.lease_names import prefix_of
from backbone.leases import login
from backbone.stack import groups, topics
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from backbone.client_properties import ClientSecurity
    from backbone.events.archive.database import Database
    from backbone.events.contracts.registry import Registry
    from backbone.leases.book import Book
    from backbone.security.layout import Secrets

Untyped: TypeAlias = Any
"""A client of kafka-python."""

_SENT_S = 30
_POLL_MS = 100
_LASTING_S = 3600.0
_GROUP_S = 10.0


@dataclass(frozen=True, slots=True)
class Lease:
    """Names below one prefix. Kafka's begin with PREFIX-, PostgreSQL's tables with the same in underscores.

    security: the login of the lease's own user, who may do nothing beyond the prefix; None where brokers ask nobody.
    """

    prefix: str
    given_by: Leases
    security: ClientSecurity | None = None

    @property
    def admin(self) -> Untyped:
        """The admin client of all leases; another one after the stack was stopped."""
        return self.given_by.admin

    @property
    def bootstrap(self) -> Sequence[str]:
        """HOST:PORT of the brokers."""
        return self.given_by.bootstrap

    def env(self) -> dict[str, str]:
        """Return what a program needs to use the stack, as variables: as the lease's user, where there is one."""
        return self.given_by.env(self.prefix)

    def _shown(self) -> dict[str, Any]:
        """Return what this lease's own clients show to the brokers."""
        return clients.identity(self.security) if self.security else {}

    def name(self, name: str) -> str:
        """Return a name of this lease: for a group, a transactional id, a connector."""
        return f"{self.prefix}-{name}"

    def topic(self, name: str, *, partitions: int = 1, **config: str) -> str:
        """Make a topic (settings with underscores: retention_ms="1000"), wait for its leaders and return its name."""
        settings = {key.replace("_", "."): value for key, value in config.items()}
        topics.create(self.admin, topics.Topic(self.name(name), partitions, config=settings))
        return self.name(name)

    def group(self, name: str) -> str:
        """Return the name of a group."""
        return self.name(name)

    def subject(self, topic: str) -> str:
        """Return the subject of a topic's values in the registry (TopicNameStrategy)."""
        return f"{topic if prefix_of(topic) else self.name(topic)}-value"

    def produce(self, topic: str, *values: bytes | str, key: bytes | str | None = None) -> None:
        """Send values to a topic and wait until every one is acknowledged by all in-sync replicas."""
        producer = clients.producer(self.bootstrap, **self._shown())
        try:
            with clients.errors_as("not-sent", f"{topic} did not take the records"):
                for sent in [producer.send(topic, _bytes(value), key=_bytes(key)) for value in values]:
                    sent.get(timeout=_SENT_S)
        finally:
            producer.close()

    def consume(
        self,
        topic: str,
        until: int | Callable[[Sequence[Untyped]], bool] = 1,
        *,
        group: str | None = None,
        timeout: float = 10.0,
    ) -> list[Untyped]:
        """Return the records of a topic from its beginning (a group's: from its place) until so many, or a condition.

        A group's place is committed behind what was returned. Raises StackError("timed-out") after `timeout` seconds,
        with what came until then.
        """
        enough = (lambda records: len(records) >= until) if isinstance(until, int) else until
        found: list[Untyped] = []
        consumer = clients.consumer(self.bootstrap, group_id=group, **self._shown())

        def more() -> bool:
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                found.extend(records)
            return enough(found)

        try:
            clients.join(consumer, topic) if group else consumer.assign(_partitions(consumer, topic))
            wait_until(
                more,
                what=f"records of {topic}",
                timeout=timeout,
                interval=0,
                last_seen=lambda: f"{len(found)} came: {[record.value for record in found[-5:]]}",
            )
            if group:
                consumer.commit()
        finally:
            consumer.close()
        return found

    def lag(self, group: str) -> int:
        """Return how many records a group has not committed."""
        return sum(place.lag for place in groups.places(self.admin, [groups.named(self.admin, group)])[group])

    def await_lag(self, group: str, lag: int = 0, *, timeout: float = 30.0) -> None:
        """Wait until a group is at most so many records behind; StackError("timed-out")."""
        seen: list[int] = []

        def near() -> bool:
            if any(each.name == group for each in groups.find(self.admin)):
                seen.append(self.lag(group))
            return bool(seen) and seen[-1] <= lag

        wait_until(
            near, what=f"lag {lag} of {group}", timeout=timeout, last_seen=lambda: f"lag {seen[-1]}" if seen else ""
        )

    def table(self, name: str) -> str:
        """Return the name of a table, which SQL takes without quotes."""
        return f"{self.prefix}-{name}".replace("-", "_")


def _bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _partitions(consumer: Untyped, topic: str) -> list[Untyped]:
    from kafka import TopicPartition  # noqa: PLC0415 - slow, see backbone.clients

    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


@dataclass
class Leases:
    """Gives leases on one stack, with one connection for all. registry, database: None where the stack has none.

    env: user → what a program needs. secrets: of a stack whose brokers ask who a client is; a lease is a user there.
    """

    book: Book
    bootstrap: Sequence[str]
    env: Callable[[str], dict[str, str]]
    registry: Registry | None = None
    database: Database | None = None
    secrets: Secrets | None = None
    _open: ExitStack = field(default_factory=ExitStack)
    _admin: Untyped = None

    @property
    def admin(self) -> Untyped:
        """The admin client, opened when it is first wanted."""
        if self._admin is None:
            self._admin = self._open.enter_context(clients.admin(self.bootstrap))
        return self._admin

    def close(self) -> None:
        """Close the connection."""
        self._open.close()
        self._admin = None

    @contextmanager
    def lease(self, lasting: float = _LASTING_S) -> Iterator[Lease]:
        """Give names for a block, removed at its end; after `lasting` seconds a reaper may take them."""
        entry = self.book.open(lasting)
        try:
            shown = login.make(self.admin, self.secrets, entry.prefix, self.bootstrap) if self.secrets else None
            yield Lease(entry.prefix, self, shown)
        finally:
            self._remove(lambda prefix: prefix == entry.prefix)
            self.book.close(entry.prefix)

    def reap(self) -> list[str]:
        """Remove what leases of dead or late owners have left; return the names that went."""
        seen = [entry.prefix for entry in self.book.entries()]
        live = self.book.live()
        gone = self._remove(lambda prefix: bool(prefix) and prefix not in live | self.book.live())
        for prefix in set(seen) - live:
            self.book.close(prefix)
        return gone

    def _remove(self, ours: Callable[[str], bool]) -> list[str]:
        """Remove everything whose prefix is one of ours.

        Users and groups first, so that nobody writes to a topic that goes.
        """
        gone = login.remove(self.admin, self.secrets, ours) if self.secrets else []
        gone += [*self._groups(ours), *self._topics(ours)]
        if self.registry:
            for subject in self.registry.subjects():
                if ours(prefix_of(subject)):
                    self.registry.delete(subject)
                    gone.append(subject)
        return [*gone, *self._tables(ours)]

    def _groups(self, ours: Callable[[str], bool]) -> list[str]:
        from kafka.errors import GroupIdNotFoundError  # noqa: PLC0415 - slow, see backbone.clients

        found = [each.name for each in groups.find(self.admin) if ours(prefix_of(each.name))]
        if not found:
            return []

        def left() -> bool:
            said: Mapping[str, str] = self.admin.delete_groups(found)
            return all(word == "OK" or GroupIdNotFoundError.__name__ in word for word in said.values())

        # A member that has gone without a word is one until its session is over.
        wait_until(left, what=f"the end of the groups {', '.join(found)}", timeout=_GROUP_S)
        return found

    def _topics(self, ours: Callable[[str], bool]) -> list[str]:
        from kafka.errors import UnknownTopicOrPartitionError  # noqa: PLC0415 - slow, see backbone.clients

        found = [name for name in self.admin.list_topics() if ours(prefix_of(name))]
        for name in found:
            try:
                self.admin.delete_topics([name])
            except UnknownTopicOrPartitionError:  # somebody else was quicker
                continue
        return found

    def _tables(self, ours: Callable[[str], bool]) -> list[str]:
        if not self.database:
            return []
        from psycopg import sql  # noqa: PLC0415 - who has no database need not load it

        listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'lease\\_%'"
        try:
            with self.database.connect() as connection:
                found = [str(name) for (name,) in connection.execute(listed) if ours(prefix_of(str(name)))]
                for name in found:
                    connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(name)))
        except StackError as error:
            if error.reference == "database-unreachable":
                return []
            raise
        return found
