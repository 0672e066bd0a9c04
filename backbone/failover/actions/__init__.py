"""The faults themselves: each does something to brokers or clients, shows that it happened, and undoes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from backbone.failover.actions.base import Action, Proof, Scene
from backbone.failover.actions.disk import CutTail, LogDir
from backbone.failover.actions.network import Isolate, Mute, NetworkFaults, PacketLoss
from backbone.failover.actions.process import Bounce, Kill, KillClient, Pause, Rolling, Stop
from backbone.failover.actions.resources import OutOfMemory, ResourceFaults, Starve
from backbone.failover.plan import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backbone.failover.plan import Need
    from backbone.stack.engine import Engine

__all__ = ["ACTIONS", "Action", "NetworkFaults", "Proof", "ResourceFaults", "Scene", "abilities"]


ACTIONS: Mapping[str, Action] = {
    "stop": Stop(),
    "kill": Kill(),
    "kill-brief": Kill(fenced=False),
    "bounce": Bounce(),
    "pause-short": Pause(noticed=False),
    "pause-long": Pause(noticed=True),
    "sleep": Pause(noticed=None),
    "rolling": Rolling(),
    "two-down": Kill(fenced=False),
    "all-down": Kill(fenced=False),
    "cut-tail": CutTail(Kill()),
    "cut-tail-brief": CutTail(Kill(fenced=False)),
    "log-dir": LogDir(),
    "kill-producer": KillClient("producer"),
    "kill-consumer": KillClient("consumer"),
    "isolate": Isolate(),
    "one-way": Mute(everybody=True),
    "partial": Mute(everybody=False),
    "packet-loss": PacketLoss(),
    "starve": Starve(),
    "out-of-memory": OutOfMemory(),
}
"""The action of each kind in backbone/failover/plan.py: KINDS."""

if ACTIONS.keys() != KINDS.keys():
    raise AssertionError("every kind has one action")


def abilities(engine: Engine, data: Sequence[Callable[[], object]]) -> tuple[Need, ...]:
    """Return what this engine can do. data: each opens a broker's data folder, or raises OSError."""
    needs: list[Need] = ["signals"]
    try:
        for folder in data:
            folder()
        needs.append("files")
    except OSError:
        pass
    if any(state.pid for state in engine.states()) and hasattr(psutil, "RLIMIT_FSIZE") and engine.name == "embedded":
        needs.append("limits")
    if isinstance(engine, NetworkFaults):
        needs.append("network")
        if engine.drops_packets():
            needs.append("packets")
    if isinstance(engine, ResourceFaults):
        needs.append("resources")
    return tuple(needs)
