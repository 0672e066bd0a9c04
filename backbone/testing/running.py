"""A running stack, as a test sees it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.events.archive import database
from backbone.events.contracts import registry
from backbone.leases import Book, Leases
from backbone.snapshots import operations
from backbone.stack import client_env, lifecycle, postgres, secure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.leases import Lease
    from backbone.stack.engine import Stack
    from backbone.stack.engine.base import Progress

_REGISTRY_URL = "SCHEMA_REGISTRY_URL"
_CONNECT_URL = "KAFKA_CONNECT_URL"


@dataclass
class Running:
    """One stack; everything it gives is an address or a name. timeout: seconds that a start may take.

    open_whole: opens it with all its services, whether or not they were asked for.
    """

    stack: Stack
    open_whole: Callable[[], Stack]
    progress: Progress
    timeout: float = 180.0

    @property
    def bootstrap(self) -> str:
        """HOST:PORT,… of the brokers, for `bootstrap.servers`."""
        return ",".join(self.stack.bootstrap)

    @property
    def registry_url(self) -> str:
        """The schema registry (Confluent's API)."""
        return self._named(_REGISTRY_URL)

    @property
    def connect_url(self) -> str:
        """The REST interface of Kafka Connect."""
        return self._named(_CONNECT_URL)

    @property
    def postgres_url(self) -> str:
        """PostgreSQL, with its password."""
        return self._named(postgres.URL)

    def env(self) -> dict[str, str]:
        """Return all of it as variables, with PostgreSQL's password."""
        return client_env.of(self.stack, with_secrets=True)

    @cached_property
    def leases(self) -> Leases:
        """Names for tests; one connection for all of them."""
        found = self.stack.endpoints
        return Leases(
            Book(self.stack.settings.state_dir / "leases"),
            self.stack.bootstrap,
            lambda user: client_env.of(self.stack, with_secrets=True, user=user),
            registry.of_stack(self.stack.model) if _REGISTRY_URL in found else None,
            database.of_stack(self.stack.model, "") if postgres.URL in found else None,
            secure.secrets(self.stack.model),
        )

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Give names of one's own for a block; what is below them is gone after it."""
        with self.leases.lease() as given:
            yield given

    def kill(self, service: str) -> None:
        """End a service at once (SIGKILL)."""
        self.stack.engine.signal(service, signal.SIGKILL)

    def pause(self, service: str) -> None:
        """Let a service stand still: its connections stay open, and nothing answers."""
        self.stack.engine.signal(service, signal.SIGSTOP)

    def heal(self) -> None:
        """Let what is paused go on, start what has ended, and wait until the stack is whole."""
        for state in self.stack.engine.states(list(self.stack.model.services)):
            if state.phase == "paused":
                self.stack.engine.signal(state.name, signal.SIGCONT)
        self.up()

    def up(self) -> None:
        """Start what does not run, and wait until all is ready."""
        lifecycle.up(self.stack, timeout=self.timeout, progress=self.progress, watch=lambda _: None)

    def save(self, name: str) -> None:
        """Keep all data under a name."""
        self.leases.close()  # a stop would cut its connection
        operations.save(self.open_whole(), name, timeout=self.timeout, progress=self.progress, watch=lambda _: None)

    def restore(self, name: str) -> None:
        """Make all data what it was when it was saved."""
        self.leases.close()  # a stop would cut its connection
        operations.restore(self.open_whole(), name, timeout=self.timeout, progress=self.progress, watch=lambda _: None)

    def forget(self, name: str) -> None:
        """Remove a snapshot, if there is one of that name."""
        store = operations.of(self.stack.settings)
        if name in store.names():
            store.remove(name)

    def _named(self, name: str) -> str:
        if name not in (found := self.env()):
            raise StackError(
                "not-in-this-stack",
                f"this stack has no {name}",
                context="it has: " + ", ".join(found),
                hint="more profiles: --backbone-profile data for pytest, profiles=(…) in Python",
                exit_code=ExitCode.USAGE,
            )
        return found[name]
