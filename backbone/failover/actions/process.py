"""Faults of processes: killed, stopped, frozen, bounced, restarted in turn; brokers and our own clients."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.failover.actions.base import Proof, all_of, fenced, fenced_in_time, gone, marked_clean
from backbone.failover.history import RECOVERY_S
from backbone.wait import wait_until

if TYPE_CHECKING:
    from backbone.failover.actions.base import Scene

_BOUNCES = 5


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL; `fenced`: and it stays away until the others take it for dead."""

    fenced: bool = True

    def inject(self, scene: Scene) -> str:
        """Kill all victims."""
        for node in scene.nodes:
            scene.target.engine_stack.engine.signal(scene.target.service(node), signal.SIGKILL)
        return f"SIGKILL to broker {list(scene.nodes)}"

    def prove(self, scene: Scene) -> Proof:
        """Show that they are gone, and fenced if they were to be."""
        return all_of(gone(scene), fenced_in_time(scene)) if self.fenced else gone(scene)

    def heal(self, scene: Scene) -> None:
        """Start them."""
        scene.target.start(scene.nodes)


@dataclass(frozen=True, slots=True)
class Pause:
    """SIGSTOP: sockets stay open and nobody answers.

    noticed: long enough to be fenced, or short enough not to be; None where nobody is left who could notice.
    """

    noticed: bool | None

    def inject(self, scene: Scene) -> str:
        """Freeze all victims; one that still comes back from the fault before could not go unnoticed."""
        if self.noticed is False:
            wait_until(
                lambda: not fenced(scene).holds,
                what=f"broker {list(scene.nodes)} to count as alive",
                timeout=RECOVERY_S,
                clock=scene.clock,
            )
        for node in scene.nodes:
            scene.target.engine_stack.engine.signal(scene.target.service(node), signal.SIGSTOP)
        return f"SIGSTOP to broker {list(scene.nodes)}"

    def prove(self, scene: Scene) -> Proof:
        """Show that they stand still, and that this was noticed or not, as wanted."""
        phases = {node: scene.target.state(node).phase for node in scene.nodes}
        frozen = Proof(all(phase == "paused" for phase in phases.values()), f"phases {phases}")
        if self.noticed is None:
            return frozen
        if self.noticed:
            return all_of(frozen, fenced_in_time(scene))
        out = fenced(scene)
        return all_of(frozen, Proof(not out.holds, out.evidence))

    def heal(self, scene: Scene) -> None:
        """Let them go on."""
        for node in scene.nodes:
            scene.target.engine_stack.engine.signal(scene.target.service(node), signal.SIGCONT)


class Stop:
    """A controlled shutdown: leaders move first, logs are flushed."""

    def inject(self, scene: Scene) -> str:
        """Stop all victims."""
        scene.target.stop(scene.nodes)
        return f"controlled shutdown of broker {list(scene.nodes)}"

    def prove(self, scene: Scene) -> Proof:
        """Show that they are stopped, in the way that leaves the mark (where its data can be looked at)."""
        phases = {node: scene.target.state(node).phase for node in scene.nodes}
        marked = {node: marked_clean(scene, node) for node in scene.nodes}
        stopped = all(phase in ("stopped", "exited") for phase in phases.values())
        return Proof(stopped and False not in marked.values(), f"phases {phases}, clean-shutdown marker {marked}")

    def heal(self, scene: Scene) -> None:
        """Start them."""
        scene.target.start(scene.nodes)


class Bounce:
    """SIGKILL and start, five times, as soon as it listens again."""

    def inject(self, scene: Scene) -> str:
        """Do all but the last start."""
        kill, node = Kill(fenced=False), scene.nodes[0]
        pids = []
        for _ in range(_BOUNCES - 1):
            pids.append(scene.target.state(node).identity)
            kill.inject(scene)
            scene.target.start(scene.nodes)
            wait_until(
                lambda: scene.target.state(node).phase == "running",
                what=f"broker {node} to listen again",
                timeout=RECOVERY_S,
                interval=0.05,
            )
        pids.append(scene.target.state(node).identity)
        kill.inject(scene)
        return f"{len(set(pids))} kills of broker {node}: {', '.join(pids)}"

    def prove(self, scene: Scene) -> Proof:
        """Show that it is gone after the last one."""
        return gone(scene)

    def heal(self, scene: Scene) -> None:
        """Start it the last time."""
        scene.target.start(scene.nodes)


class Rolling:
    """A controlled restart of each broker in turn, the next when the last is in sync again, as in an upgrade."""

    def inject(self, scene: Scene) -> str:
        """Restart all but the last, stop that one."""
        evidence = []
        for node in scene.nodes:
            before = scene.target.state(node).identity
            scene.target.stop([node])
            if node != scene.nodes[-1]:
                scene.target.start([node])
                scene.target.await_whole(RECOVERY_S)
            evidence.append(f"broker {node} was {before}")
        return f"restarted in turn: {', '.join(evidence)}"

    def prove(self, scene: Scene) -> Proof:
        """Show that the last one is stopped."""
        last = scene.nodes[-1]
        phase = scene.target.state(last).phase
        return Proof(phase in ("stopped", "exited"), f"broker {last} is {phase}, the others run again")

    def heal(self, scene: Scene) -> None:
        """Start the last one."""
        scene.target.start(scene.nodes)


@dataclass(frozen=True, slots=True)
class KillClient:
    """SIGKILL of our own producer or consumer; a new incarnation takes over."""

    role: str

    def inject(self, scene: Scene) -> str:
        """Kill it and keep the exit status."""
        status = scene.workload.kill(self.role)
        if status != -signal.SIGKILL:
            raise StackError(
                "not-killed", f"the {self.role} had already ended with {status}", exit_code=ExitCode.ENVIRONMENT
            )
        return f"SIGKILL to the {self.role}: exit status {status}"

    def prove(self, scene: Scene) -> Proof:
        """Show that there is none."""
        return Proof(self.role not in scene.workload.processes, f"no {self.role} runs")

    def heal(self, scene: Scene) -> None:
        """Start the next incarnation and wait until it works: the next fault needs traffic to hit."""
        scene.workload.start(self.role)
        scene.workload.await_work(self.role)
