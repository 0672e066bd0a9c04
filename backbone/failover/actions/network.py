"""Faults of the network, for engines that can cut it: a broker that lives, but that not everybody reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backbone.addresses import listeners
from backbone.errors import ExitCode, StackError
from backbone.failover.actions.base import Proof, alive, all_of, fenced_in_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backbone.failover.actions.base import Scene

_LOST_SHARE = 0.2


@runtime_checkable
class NetworkFaults(Protocol):
    """What an engine may offer besides the Engine protocol: cutting links between services, and mending them."""

    def disconnect(self, service: str) -> None:
        """Cut a service off from everybody; it goes on running, and its connections fall silent."""

    def reconnect(self, service: str) -> None:
        """Undo `disconnect`, with the names the others know it by."""

    def mute(self, service: str, peers: Sequence[str]) -> None:
        """Let what a service sends to its peers go nowhere; what they send still arrives."""

    def unmute(self, service: str, peers: Sequence[str]) -> None:
        """Undo `mute`."""

    def connects(self, service: str, host: str, port: int) -> bool:
        """Tell whether a service can open a connection."""

    def drops_packets(self) -> bool:
        """Tell whether it has at hand what `drop_packets` needs."""

    def drop_packets(self, service: str, share: float) -> None:
        """Lose this share (0-1) of what a service receives and of what it sends, at random."""

    def dropped_packets(self, service: str) -> int:
        """Return how many packets were lost so far."""

    def pass_packets(self, service: str) -> None:
        """Undo `drop_packets`."""


class Isolate:
    """The broker is off the network: alive, but reachable by nobody."""

    def inject(self, scene: Scene) -> str:
        """Disconnect it."""
        _network(scene).disconnect(scene.target.service(scene.nodes[0]))
        return f"broker {scene.nodes[0]} taken off the network"

    def prove(self, scene: Scene) -> Proof:
        """Show that it runs, that nobody here reaches it, and that the others, who answer, have given it up."""
        answers = scene.target.answers(scene.nodes[0])
        return all_of(
            alive(scene), Proof(not answers, "it answers" if answers else "it does not answer"), fenced_in_time(scene)
        )

    def heal(self, scene: Scene) -> None:
        """Connect it again."""
        _network(scene).reconnect(scene.target.service(scene.nodes[0]))


@dataclass(frozen=True, slots=True)
class Mute:
    """What the broker sends to others is lost: to all of them, or to one only, while the third sees both.

    Clients reach it in either case: the network between brokers is not theirs.
    """

    everybody: bool

    def inject(self, scene: Scene) -> str:
        """Cut the way out."""
        peers = self._peers(scene)
        _network(scene).mute(scene.target.service(scene.nodes[0]), [scene.target.service(peer) for peer in peers])
        return f"what broker {scene.nodes[0]} sends to broker {peers} is lost"

    def prove(self, scene: Scene) -> Proof:
        """Show that it runs and cannot reach them, and that those who hear nothing from it have given it up."""
        wanted = {node: node not in self._peers(scene) for node in scene.target.addresses if node != scene.nodes[0]}
        reached = {node: self._reaches(scene, node) for node in wanted}
        cut = all_of(alive(scene), Proof(reached == wanted, f"it reaches {reached}"))
        return all_of(cut, fenced_in_time(scene)) if self.everybody else cut

    def heal(self, scene: Scene) -> None:
        """Open it again."""
        peers = [scene.target.service(peer) for peer in self._peers(scene)]
        _network(scene).unmute(scene.target.service(scene.nodes[0]), peers)

    def _peers(self, scene: Scene) -> list[int]:
        others = sorted(node for node in scene.target.addresses if node != scene.nodes[0])
        return others if self.everybody else others[:1]

    @staticmethod
    def _reaches(scene: Scene, node: int) -> bool:
        model = scene.target.engine_stack.model
        advertised = listeners(model[scene.target.service(node)].environment["KAFKA_ADVERTISED_LISTENERS"])
        internal = advertised["INTERNAL"]
        return _network(scene).connects(scene.target.service(scene.nodes[0]), internal.host, internal.port)


class PacketLoss:
    """A link that loses packets: TCP sends them again, 0.2 s later and ever more slowly.

    Nobody has to notice; clients are hit as much as the other brokers.
    """

    def inject(self, scene: Scene) -> str:
        """Begin to lose."""
        _network(scene).drop_packets(scene.target.service(scene.nodes[0]), _LOST_SHARE)
        return f"{_LOST_SHARE:.0%} of the packets to and from broker {scene.nodes[0]} are lost"

    def prove(self, scene: Scene) -> Proof:
        """Show that it runs, and that packets were lost."""
        lost = _network(scene).dropped_packets(scene.target.service(scene.nodes[0]))
        return all_of(alive(scene), Proof(lost > 0, f"{lost} packets lost"))

    def heal(self, scene: Scene) -> None:
        """Lose no more."""
        _network(scene).pass_packets(scene.target.service(scene.nodes[0]))


def _network(scene: Scene) -> NetworkFaults:
    engine = scene.target.engine_stack.engine
    if not isinstance(engine, NetworkFaults):
        raise StackError("no-network-faults", f"the {engine.name} engine cannot cut links", exit_code=ExitCode.USAGE)
    return engine
