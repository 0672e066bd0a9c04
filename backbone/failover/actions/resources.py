"""Faults of a broker's resources, for engines that hold limits: no processor time, no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backbone.errors import ExitCode, StackError
from backbone.failover.actions.base import Proof, alive, all_of
from backbone.failover.history import RECOVERY_S
from backbone.wait import wait_until

if TYPE_CHECKING:
    from backbone.failover.actions.base import Scene

_STARVED_CPUS = 0.01
_LOOK_S = 1.0


@runtime_checkable
class ResourceFaults(Protocol):
    """What an engine may offer besides the Engine protocol: taking processor time and memory from a service."""

    def throttle(self, service: str, cpus: float | None) -> None:
        """Give it so many processors; None: as many as its model says."""

    def starved_periods(self, service: str) -> int:
        """Return how many scheduling periods (100 ms) ended before it had the time it wanted."""

    def exhaust_memory(self, service: str) -> None:
        """Use up what is left below its limit, until the kernel kills its main process."""

    def memory_kills(self, service: str) -> int:
        """Return how often the kernel has done that in the last minutes."""


class Starve:
    """A hundredth of a processor: it lives, and answers late or never. An idle one may still send its heartbeats."""

    def inject(self, scene: Scene) -> str:
        """Take the processors away."""
        _resources(scene).throttle(scene.target.service(scene.nodes[0]), _STARVED_CPUS)
        return f"broker {scene.nodes[0]} has {_STARVED_CPUS:g} of a processor"

    def prove(self, scene: Scene) -> Proof:
        """Show that it runs, and that in a second the kernel let it wait in half of the periods at least."""
        engine, service = _resources(scene), scene.target.service(scene.nodes[0])
        before = engine.starved_periods(service)
        scene.clock.sleep(_LOOK_S)
        starved = engine.starved_periods(service) - before
        return all_of(alive(scene), Proof(starved >= _LOOK_S * 5, f"starved in {starved} periods of {_LOOK_S:g} s"))

    def heal(self, scene: Scene) -> None:
        """Give them back."""
        _resources(scene).throttle(scene.target.service(scene.nodes[0]), None)


class OutOfMemory:
    """The kernel kills it at its memory limit; the engine starts it again (restart: unless-stopped)."""

    def inject(self, scene: Scene) -> str:
        """Fill its memory and wait for the kernel."""
        engine, service = _resources(scene), scene.target.service(scene.nodes[0])
        before = engine.memory_kills(service)
        engine.exhaust_memory(service)
        wait_until(
            lambda: engine.memory_kills(service) > before,
            what=f"the kernel to kill {service}",
            timeout=RECOVERY_S,
            clock=scene.clock,
        )
        return f"broker {scene.nodes[0]} was killed at its memory limit"

    def prove(self, scene: Scene) -> Proof:
        """Show that the kernel did it."""
        kills = _resources(scene).memory_kills(scene.target.service(scene.nodes[0]))
        return Proof(kills > 0, f"killed by the kernel for memory: {kills} times lately")

    def heal(self, scene: Scene) -> None:
        """Leave it to the engine, whose restart policy is part of what is tried."""


def _resources(scene: Scene) -> ResourceFaults:
    engine = scene.target.engine_stack.engine
    if not isinstance(engine, ResourceFaults):
        raise StackError("no-limits", f"the {engine.name} engine holds no limits", exit_code=ExitCode.USAGE)
    return engine
