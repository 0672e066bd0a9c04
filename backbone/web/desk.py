"""What a console is opened for: the stack of a checkout, or a cluster elsewhere that is only looked at."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from backbone.errors import ExitCode, StackError
from backbone.events.connectors import files
from backbone.events.connectors.worker import SERVICE as CONNECT
from backbone.events.connectors.worker import of_stack
from backbone.events.contracts import registry, repository
from backbone.events.contracts.wire import Decoder
from backbone.stack import endpoints
from backbone.wait import CLOCK, Clock
from backbone.web.cluster import Cluster
from backbone.web.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from backbone.events.connectors.worker import Worker
    from backbone.events.contracts.model import Contracts
    from backbone.events.contracts.registry import Registry
    from backbone.stack.engine import Stack

T = TypeVar("T")


@dataclass(slots=True)
class Desk:
    """The stack (None: a cluster elsewhere), its cluster, and what it has beside: registry, Connect worker, watch."""

    cluster: Cluster
    stack: Stack | None = None
    registry: Registry | None = None
    worker: Worker | None = None
    watch: Watch | None = None
    clock: Clock = CLOCK
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict)
    _decoder: Decoder | None = None

    @classmethod
    def of(cls, stack: Stack) -> Desk:
        """Return the desk of a checkout's stack with all its profiles."""
        model = endpoints.model(stack.settings)
        worker = of_stack(model) if CONNECT in model.services else None  # a lite stack has none
        return cls(Cluster(stack.bootstrap), stack, registry.of_stack(model), worker, Watch.of(stack, worker))

    @property
    def own(self) -> Stack:
        """The stack; StackError("not-ours") for a cluster elsewhere."""
        if self.stack is None:
            raise StackError("not-ours", "a cluster elsewhere is only looked at", exit_code=ExitCode.USAGE)
        return self.stack

    @property
    def watching(self) -> Watch:
        """What looks at the figures; StackError("not-ours") for a cluster elsewhere."""
        if self.watch is None:
            raise StackError("not-ours", "a cluster elsewhere is only looked at", exit_code=ExitCode.USAGE)
        return self.watch

    def running(self) -> Stack:
        """Return the stack of those services that have been started."""
        whole = self.own
        started = {each.name for each in whole.engine.states() if each.phase not in {"stopped", "unavailable"}}
        return replace(whole, model=whole.model.only(started))

    def fresh(self, name: str, seconds: float, look: Callable[[], T]) -> T:
        """Return what `look` found not longer than that ago: many pages cost no more than one."""
        with self._locks.setdefault(name, threading.Lock()):
            at, value = self._kept.get(name, (float("-inf"), None))
            if self.clock.now() - at > seconds:
                value = look()
                self._kept[name] = (self.clock.now(), value)
            found: T = value
            return found

    def contracts(self) -> Contracts:
        """Return the checkout's contracts, the faulty ones with their faults."""
        root = self.own.settings.root
        return repository.load(root / repository.FOLDER, repository.SCHEMA_FILE)

    def connectors(self) -> tuple[files.Connector, ...]:
        """Return the connectors that the checkout's files describe."""
        root = self.own.settings.root
        return files.load(root / files.FOLDER, files.SCHEMA_FILE)

    def decoder(self) -> Decoder:
        """Return what reads records by the registry's schemas, each of which it asks for once."""
        if self._decoder is None:
            self._decoder = Decoder(self._schema)
        return self._decoder

    def _schema(self, identity: int) -> Any:
        return None if self.registry is None else self.registry.schema(identity)
