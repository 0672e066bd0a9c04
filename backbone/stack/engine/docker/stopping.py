"""The last of the Kafka nodes that stop together, which would wait for its whole grace period, and for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.wait import CLOCK, Clock

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass
class LastNode:
    """Nodes that are broker and controller in one, all being stopped.

    A controlled shutdown is granted by the active controller. With the others gone there is none, and Kafka waits
    for it for 5 minutes (BrokerServer.shutdown). alone: seconds that the last node may take once it is by itself.
    """

    names: frozenset[str]
    alone: float
    clock: Clock = CLOCK
    _since: float | None = field(default=None, init=False)

    def overdue(self, running: Collection[str]) -> str | None:
        """Return the node that has been alone for too long, None while there is none."""
        left = self.names.intersection(running)
        if len(left) != 1 or len(self.names) == 1:
            self._since = None
            return None
        now = self.clock.now()
        self._since = now if self._since is None else self._since
        return next(iter(left)) if now - self._since >= self.alone else None
