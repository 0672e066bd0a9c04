"""Faults of the network, for engines that can cut it: a broker that lives, but that nobody reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from scripts.errors import ExitCode, StackError
from scripts.failover.actions.base import Proof, all_of, fenced_in_time

if TYPE_CHECKING:
    from scripts.failover.actions.base import Scene


@runtime_checkable
class NetworkFaults(Protocol):
    """What an engine may offer besides the Engine protocol: taking a service off the network and putting it back."""

    def disconnect(self, service: str) -> None:
        """Cut a service off from everybody; it goes on running, and its connections fall silent."""

    def reconnect(self, service: str) -> None:
        """Undo `disconnect`, with the names the others know it by."""


class Isolate:
    """The broker is off the network: alive, but reachable by nobody."""

    def inject(self, scene: Scene) -> str:
        """Disconnect it."""
        self._network(scene).disconnect(scene.ground.service(scene.nodes[0]))
        return f"broker {scene.nodes[0]} taken off the network"

    def prove(self, scene: Scene) -> Proof:
        """Show that it runs, that nobody here reaches it, and that the others, who answer, have given it up."""
        node = scene.nodes[0]
        phase = scene.ground.state(node).phase
        alive = Proof(phase in ("running", "starting"), f"broker {node} is {phase}")
        answers = scene.ground.answers(node)
        return all_of(
            alive, Proof(not answers, "it answers" if answers else "it does not answer"), fenced_in_time(scene)
        )

    def heal(self, scene: Scene) -> None:
        """Connect it again."""
        self._network(scene).reconnect(scene.ground.service(scene.nodes[0]))

    @staticmethod
    def _network(scene: Scene) -> NetworkFaults:
        engine = scene.ground.engine_stack.engine
        if not isinstance(engine, NetworkFaults):
            raise StackError(
                "no-network-faults", f"the {engine.name} engine cannot cut links", exit_code=ExitCode.USAGE
            )
        return engine
