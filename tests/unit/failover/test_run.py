"""One fault in a run: written down, undone whatever happens, its target found by its role."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from backbone.errors import StackError
from backbone.failover import patience
from backbone.failover.campaign import soak
from backbone.failover.journal import Journal, load
from backbone.failover.plan import Step
from backbone.failover.run import Run, Settings, perform
from tests.unit.failover.fakes import NODES, SESSION, FakeClock, FakeEngine, FakeWorkload, target
from tests.unit.failover.test_leadership import FakeAdmin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backbone.failover.history import Fault
    from backbone.failover.plan import Role
    from backbone.failover.workload import Workload


class Trial:
    """A run on a fake cluster, and the faults its journal tells of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "history"
        self.folder.mkdir()
        self.engine = FakeEngine(FakeClock(), folder)
        self.target = target(self.engine)
        self.told: list[str] = []
        settings = Settings(self.folder, dict.fromkeys(NODES, ""), SESSION)
        workload = cast("Workload", FakeWorkload())
        self.run = Run(
            settings, self.target, workload, Journal(self.folder / "run.jsonl"), self.told.append, self.engine.clock
        )

    def fault(self, step: Step) -> Fault:
        perform(self.run, 1, step)
        return load(self.folder).faults[0]


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    @contextmanager
    def admin(_: object) -> Iterator[FakeAdmin]:
        yield FakeAdmin({})

    monkeypatch.setattr(patience, "admin", admin)
    return Trial(tmp_path)


def test_a_fault_is_written_down_from_beginning_to_end(trial: Trial) -> None:
    fault = trial.fault(Step("kill", "leader", 0, 2.0))
    assert (fault.kind, fault.target, fault.nodes, fault.proved) == ("kill", "leader (broker 1)", (1,), True)
    assert "SIGKILL to broker [1]" in fault.evidence
    assert fault.healed is not None
    assert fault.recovered is not None
    assert trial.told == ["fault 1: kill of leader (broker 1)"]


def test_an_overlapping_fault_does_not_wait(trial: Trial) -> None:
    fault = trial.fault(Step("kill", "leader", 0, 2.0, settle=False))
    assert fault.recovered is None
    assert trial.target.whole_waits == 0


def test_a_fault_that_did_nothing_is_undone_and_not_proved(trial: Trial) -> None:
    trial.engine.deaf = True
    fault = trial.fault(Step("pause-long", "leader", 0, 3.0))
    assert not fault.proved
    assert fault.healed is not None
    assert ("SIGCONT", "kafka-1") in trial.engine.calls


def test_a_fault_that_failed_is_undone_and_says_why(trial: Trial) -> None:
    trial.engine.folder("kafka-1")
    fault = trial.fault(Step("cut-tail", "leader", 0, 2.0))
    assert not fault.proved
    assert "nothing-cut" in fault.evidence
    assert trial.engine.phases["kafka-1"] == "running"


@pytest.mark.parametrize(
    ("role", "nodes"),
    [("leader", (1,)), ("follower", (2,)), ("controller", (2,)), ("controller-leader", (2,)), ("random", (1,))],
)
def test_targets_are_found_by_role(trial: Trial, role: Role, nodes: tuple[int, ...]) -> None:
    assert trial.fault(Step("kill", role, 0, 2.0)).nodes == nodes


def test_the_controller_is_made_leader_first_where_it_is_to_be_both(trial: Trial) -> None:
    trial.fault(Step("kill", "controller-leader", 0, 2.0))
    assert trial.target.leader == 2


def test_more_than_one_victim(trial: Trial) -> None:
    fault = trial.fault(Step("two-down", "leader", 0, 1.5))
    assert fault.nodes == (1, 2)
    assert fault.quorum_lost


def test_a_role_that_nobody_has_is_an_error(trial: Trial) -> None:
    trial.engine.silent_since = {f"kafka-{node}": 0.0 for node in NODES}
    with pytest.raises(StackError, match="waited 60 s for a broker that is leader") as caught:
        trial.fault(Step("kill", "leader", 0, 2.0))
    assert "the cluster has no leader now" in str(caught.value.context)


def test_a_role_that_nobody_has_for_the_moment_is_waited_for(trial: Trial) -> None:
    class Electing(FakeClock):
        def sleep(clock, seconds: float) -> None:  # noqa: N805 - `self` is the trial's
            clock.time += seconds
            trial.engine.silent_since.clear()

    trial.run.clock = Electing()
    trial.engine.silent_since = {f"kafka-{node}": 0.0 for node in NODES}
    trial.target.leader = 3
    assert trial.fault(Step("kill-brief", "leader", 0, 0.0)).nodes == (3,)


def test_a_soak_goes_on_until_its_time_is_over() -> None:
    clock = FakeClock()
    plans = []
    for plan in soak(5, 1.0, ("signals",), clock.now):
        plans.append(plan)
        clock.sleep(1000)
    assert [plan.seed for plan in plans] == [5, 6, 7, 8]


def test_an_interrupt_still_undoes_the_fault(trial: Trial) -> None:
    class Interrupting(FakeClock):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt(seconds)

    trial.run.clock = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        trial.fault(Step("pause-long", "leader", 0, 3.0))
    assert trial.engine.phases["kafka-1"] == "running"
    assert load(trial.folder).faults[0].healed is not None


def test_everything_runs_again_after_a_run_that_failed(trial: Trial) -> None:
    trial.engine.phases |= {"kafka-1": "paused", "kafka-2": "exited", "kafka-3": "stopped"}
    trial.target.restore()
    assert set(trial.engine.phases.values()) == {"running"}
