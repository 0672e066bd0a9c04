"""What every fault has: a scene, a way in and out, and a proof. Without its proof a fault counts for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from backbone.failover import segments
from backbone.wait import CLOCK

if TYPE_CHECKING:
    from backbone.failover.target import Target
    from backbone.failover.workload import Workload
    from backbone.wait import Clock

_NOTICE_SESSIONS = 2
_NOTICE_S = 3.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a fault is shown to have happened, and by what."""

    holds: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault works on: the cluster, the clients, and the brokers to be hit."""

    target: Target
    workload: Workload
    nodes: tuple[int, ...]
    hold: float
    clock: Clock = CLOCK


class Action(Protocol):
    """One kind of fault. inject begins it, prove is asked just before heal, heal undoes it and does not wait."""

    def inject(self, scene: Scene) -> str:
        """Do it; return what was done, in words."""

    def prove(self, scene: Scene) -> Proof:
        """Show that it is in force now."""

    def heal(self, scene: Scene) -> None:
        """Undo it."""


def fenced_in_time(scene: Scene) -> Proof:
    """Wait until the victims are out of the cluster: a new controller gives each a fresh session (KAFKA-18138)."""
    deadline = scene.clock.now() + _NOTICE_SESSIONS * scene.target.session + _NOTICE_S
    while not (proof := fenced(scene)).holds and scene.clock.now() < deadline:
        scene.clock.sleep(_POLL_S)
    return proof


def fenced(scene: Scene) -> Proof:
    """Ask those that are left whether the victims are out of the cluster now."""
    known = scene.target.metadata(without=scene.nodes)
    alive = set(known.brokers) if known else set(scene.target.addresses)
    there = alive & set(scene.nodes)
    if there:
        return Proof(holds=False, evidence=f"broker {sorted(there)} still counts as alive")
    return Proof(holds=True, evidence=f"alive: {sorted(alive)}")


def gone(scene: Scene) -> Proof:
    """Show that no victim has a process, nor a mark of a clean shutdown."""
    phases = {node: scene.target.state(node).phase for node in scene.nodes}
    if any(phase not in ("exited", "stopped") for phase in phases.values()):
        return Proof(holds=False, evidence=f"phases {phases}")
    marked = [node for node in scene.nodes if marked_clean(scene, node)]
    if marked:
        return Proof(holds=False, evidence=f"broker {marked} was stopped cleanly")
    return Proof(holds=True, evidence=f"no process, no clean-shutdown marker: {phases}")


def alive(scene: Scene) -> Proof:
    """Show that the victim has a process that runs."""
    node = scene.nodes[0]
    phase = scene.target.state(node).phase
    return Proof(phase in ("running", "starting"), f"broker {node} is {phase}")


def marked_clean(scene: Scene, node: int) -> bool | None:
    """Tell whether a broker left the mark of a clean shutdown; None where its data cannot be looked at."""
    try:
        return (scene.target.data(node) / segments.CLEAN_SHUTDOWN).exists()
    except (OSError, StopIteration):
        return None


def all_of(*proofs: Proof) -> Proof:
    """Join proofs: all have to hold."""
    return Proof(all(proof.holds for proof in proofs), "; ".join(proof.evidence for proof in proofs))
