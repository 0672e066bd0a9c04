"""Faults of disks: unsynced data that is gone, and a disk that takes no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from backbone.errors import ExitCode, StackError
from backbone.failover import segments
from backbone.failover.actions.base import Proof, all_of, fenced_in_time, gone
from backbone.wait import wait_until

if TYPE_CHECKING:
    from backbone.failover.actions.base import Scene
    from backbone.failover.actions.process import Kill

_CUT_BATCHES = 3
_DEATH_S = 20.0


@dataclass(frozen=True, slots=True)
class CutTail:
    """SIGKILL, then the last batches of every partition are cut from the victim's log: what a lost page cache does."""

    kill: Kill

    def inject(self, scene: Scene) -> str:
        """Kill and cut."""
        self.kill.inject(scene)
        removed = segments.cut_tail(scene.target.data(scene.nodes[0]), scene.target.topic, _CUT_BATCHES)
        if not sum(removed.values()):
            raise StackError(
                "nothing-cut", f"broker {scene.nodes[0]} had no batch to cut", exit_code=ExitCode.ENVIRONMENT
            )
        return f"SIGKILL to broker {scene.nodes[0]}, bytes cut: {removed}"

    def prove(self, scene: Scene) -> Proof:
        """Show that it is gone (the cut is in the words of inject)."""
        return self.kill.prove(scene)

    def heal(self, scene: Scene) -> None:
        """Start it."""
        self.kill.heal(scene)


class LogDir:
    """Every write to the broker's disk fails, by a limit on the size of files: Kafka gives the folder and itself up."""

    def inject(self, scene: Scene) -> str:
        """Set the limit and wait until the broker has ended by itself."""
        node = scene.nodes[0]
        pid = scene.target.state(node).pid
        if pid is None:
            raise StackError("not-running", f"broker {node} has no process here", exit_code=ExitCode.ENVIRONMENT)
        process = psutil.Process(pid)
        _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (1, hard))
        wait_until(
            lambda: scene.target.state(node).phase in ("exited", "stopped"),
            what=f"broker {node} to give up",
            timeout=_DEATH_S,
        )
        return f"file size limit of 1 byte on broker {node}, which ended by itself"

    def prove(self, scene: Scene) -> Proof:
        """Show that it is gone and fenced."""
        return all_of(gone(scene), fenced_in_time(scene))

    def heal(self, scene: Scene) -> None:
        """Start it: a new process has no such limit."""
        scene.target.start(scene.nodes)
