"""A console on a real port, over a cluster that is made up."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.stack.groups import Group, Place
from backbone.stack.health import ClusterHealth, PartitionState
from backbone.web.app import application
from backbone.web.cluster import Cluster, Follower, Topic
from backbone.web.guard import Access
from backbone.web.server import server_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.web.desk import Desk

ORDERS = PartitionState("orders", 0, 1, (1, 2, 3), (1, 2, 3), 2)
EVIL = "<script>alert(1)</script>"
"""A name that no page may take for its own words."""


@dataclass(slots=True)
class MadeUp(Cluster):
    """A cluster of three brokers with one topic and one group; `lost` says why no broker answers."""

    lost: str = ""
    partitions: tuple[PartitionState, ...] = (ORDERS,)
    asked: list[str] = field(default_factory=list)

    def health(self) -> ClusterHealth:
        self.asked.append("health")
        if self.lost:
            raise StackError("no-broker", self.lost, hint="./invoke up", exit_code=ExitCode.ENVIRONMENT)
        return ClusterHealth("Q2x1c3Rlcg", 1, (1, 2, 3), self.partitions)

    def topics(self) -> list[Topic]:
        return [Topic("orders", self.partitions, 2048, 12, 3.4, {"billing": 5})]

    def followers(self) -> list[Follower]:
        return [Follower(Group(EVIL, "classic", "Empty"), (Place("orders", 0, 7, 0, 12),), 61.0)]

    def ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ARG002 - it has no client to ask by
        return {}


@contextmanager
def served(desk: Desk) -> Iterator[Access]:
    """Serve a desk on a free port of loopback; yield how to get in."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        access = Access(listening.getsockname()[1])
        server = server_of(application(desk, access, b"// htmx"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield access
        finally:
            server.should_exit = True
            thread.join()
