from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack import health, lifecycle, readiness
from backbone.stack.engine.base import ServiceState, Stack
from backbone.stack.health import ClusterHealth
from backbone.stack.readiness import Snapshot
from backbone.stack.settings import Settings
from tests.fakes import PLAIN, FakeClock, FakeEngine, model, stack

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from backbone.stack.compose import Model
    from backbone.stack.engine.base import Progress

TWO = model(a=PLAIN, b=PLAIN)
MIXED = model(a=PLAIN, docker={"image": "x"})


@dataclass
class Seen:
    """Keeps what was shown and said."""

    shown: list[Snapshot] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def watch(self, snapshot: Snapshot) -> None:
        self.shown.append(snapshot)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def up(root: Path, engine: FakeEngine, seen: Seen, *, wait: bool = True) -> Snapshot:
    return lifecycle.up(
        stack(root, engine), timeout=60, progress=seen.said.append, watch=seen.watch, wait=wait, clock=FakeClock()
    )


def test_starts_all_and_waits_until_all_are_healthy(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO)
    snapshot = up(tmp_path, engine, seen)
    assert engine.done == ["start a", "start b"]
    assert snapshot.ready
    assert [one.ready for one in seen.shown] == [False, False, True]
    assert snapshot.waited == pytest.approx(0.2)


def test_nothing_starts_where_other_machines_would_reach_it(tmp_path: Path, seen: Seen) -> None:
    (tmp_path / ".env").touch()
    wide = model(a={**PLAIN, "ports": [{"host_ip": "10.0.0.1", "published": "9092", "target": 9092}]})
    engine = FakeEngine(wide)
    with pytest.raises(StackError, match="exposed"):
        up(tmp_path, engine, seen)
    assert engine.done == []


def test_a_stack_that_runs_costs_one_look(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9})
    assert up(tmp_path, engine, seen).waited == 0
    assert engine.done == []
    assert len(seen.shown) == 1


def test_an_address_that_nobody_reaches_is_waited_for(tmp_path: Path, seen: Seen) -> None:
    assert up(tmp_path, FakeEngine(TWO, needs=0, cut=["a"]), seen).ready
    assert [one.missing for one in seen.shown] == ["a", ""]


def test_completes_a_stack_that_runs_by_half(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9})
    assert up(tmp_path, engine, seen).ready
    assert engine.done == ["start b"]


def test_what_may_boots_beside_the_first_wave_and_is_waited_for_in_its_own(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(model(a=PLAIN, b=PLAIN, c=PLAIN), order=[["a"], ["b"], ["c"]], ahead=["b"])
    started: list[str] = []

    def watch(snapshot: Snapshot) -> None:
        started.append(" ".join(engine.looks))
        seen.watch(snapshot)

    lifecycle.up(stack(tmp_path, engine), timeout=60, progress=seen.said.append, watch=watch, clock=FakeClock())
    assert started == ["a b"] * 6 + ["a b c"] * 3
    assert [len(one.states) for one in seen.shown] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_what_gave_up_before_its_wave_came_is_started_again_with_it(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, order=[["a"], ["b"]], ahead=["b"], once={"b"})
    assert up(tmp_path, engine, seen).ready
    assert engine.done == ["start a", "start b", "start b"]


def test_returns_once_started_when_nobody_waits(tmp_path: Path, seen: Seen) -> None:
    snapshot = up(tmp_path, FakeEngine(TWO), seen, wait=False)
    assert not snapshot.ready
    assert seen.shown == []


def test_a_service_that_this_engine_cannot_run_keeps_nobody_waiting(tmp_path: Path, seen: Seen) -> None:
    assert up(tmp_path, FakeEngine(MIXED), seen).ready


def test_nothing_to_start_is_told(tmp_path: Path, seen: Seen) -> None:
    with pytest.raises(StackError) as caught:
        up(tmp_path, FakeEngine(model()), seen)
    assert (caught.value.reference, caught.value.exit_code) == ("nothing-to-start", ExitCode.NOTHING)


def test_nothing_is_started_when_the_checks_before_it_fail(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, refuses=StackError("port-in-use", "9092"))
    with pytest.raises(StackError, match="port-in-use"):
        up(tmp_path, engine, seen)
    assert engine.done == []


def test_fails_as_soon_as_a_service_ends_and_shows_its_log(tmp_path: Path, seen: Seen) -> None:
    with pytest.raises(StackError) as caught:
        up(tmp_path, FakeEngine(TWO, dying=frozenset("b")), seen)
    error = caught.value
    assert (error.reference, error.exit_code) == ("service-died", ExitCode.ENVIRONMENT)
    assert error.message == "b ended while the stack was starting (exit code 3)"
    assert error.context == "b: ERROR the disk is on fire"
    assert error.hint == "./invoke logs b --tail 200"
    assert len(seen.shown) == 2


def test_gives_up_in_time_and_says_what_each_service_does(tmp_path: Path, seen: Seen) -> None:
    with pytest.raises(StackError) as caught:
        up(tmp_path, FakeEngine(TWO, needs=10**9), seen)
    error = caught.value
    assert (error.reference, error.exit_code) == ("not-ready", ExitCode.TIMEOUT)
    assert "60 s" in error.message
    assert str(error.context).splitlines() == [
        "a: starting starting",
        "  a: ERROR the disk is on fire",
        "b: starting starting",
        "  b: ERROR the disk is on fire",
    ]
    assert "--timeout" in str(error.hint)
    assert seen.shown[-1].waited >= 60


def test_an_interrupt_stops_what_was_started_and_nothing_else(tmp_path: Path, seen: Seen) -> None:
    def interrupt(snapshot: Snapshot) -> None:
        raise KeyboardInterrupt

    engine = FakeEngine(TWO, looks={"a": 9})
    with pytest.raises(KeyboardInterrupt):
        lifecycle.up(stack(tmp_path, engine), timeout=9, progress=seen.said.append, watch=interrupt)
    assert engine.done == ["start b", "stop b"]
    assert set(engine.looks) == {"a"}


def test_an_interrupt_leaves_alone_what_somebody_had_paused(tmp_path: Path, seen: Seen) -> None:
    def interrupt(snapshot: Snapshot) -> None:
        raise KeyboardInterrupt

    engine = FakeEngine(TWO, looks={"a": 9})
    engine.signal("a", signal.SIGSTOP)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.up(stack(tmp_path, engine), timeout=9, progress=seen.said.append, watch=interrupt)
    assert set(engine.looks) == {"a"}


def test_down_stops_and_keeps_the_data(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9}, data={"a", "b"})
    lifecycle.down(stack(tmp_path, engine), seen.said.append)
    assert engine.done == ["stop a", "stop b"]
    assert engine.data == {"a", "b"}


def test_nuke_stops_before_it_removes(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9}, data={"a", "b"})
    lifecycle.nuke(stack(tmp_path, engine), seen.said.append)
    assert (engine.looks, engine.data) == ({}, set())
    assert seen.said == ["stopping a", "removing"]


def test_nuke_kills_brokers_and_what_lives_by_them(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(CLUSTER, looks=dict.fromkeys(CLUSTER.services, 9))
    lifecycle.nuke(stack(tmp_path, engine), seen.said.append)
    killed = {line for line in engine.done if line.startswith("SIGKILL")}
    assert killed == {f"SIGKILL {name}" for name in ("connect", "kafka-1", "kafka-2", "registry")}
    assert engine.looks == {}


def test_nuke_kills_nothing_while_a_start_up_cache_is_recorded(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(CLUSTER, looks=dict.fromkeys(CLUSTER.services, 9), recording={"connect"})
    lifecycle.nuke(stack(tmp_path, engine), seen.said.append)
    assert not [line for line in engine.done if line.startswith("SIGKILL")]
    assert engine.looks == {}


def test_restart_touches_one_service_and_waits_for_all(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9})
    snapshot = lifecycle.restart(
        stack(tmp_path, engine), "b", timeout=9, progress=seen.said.append, watch=seen.watch, clock=FakeClock()
    )
    assert engine.done == ["stop b", "start b"]
    assert snapshot.ready
    assert snapshot.waited > 0


def test_restart_brings_back_what_ran_and_renewing_what_the_files_say(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9})

    def restart(*, renew: bool) -> None:
        lifecycle.restart(
            stack(tmp_path, engine),
            "b",
            timeout=9,
            progress=seen.said.append,
            watch=seen.watch,
            renew=renew,
            clock=FakeClock(),
        )

    restart(renew=False)
    assert engine.as_ran is True
    restart(renew=True)
    assert engine.as_ran is False


def test_renewing_restarts_what_is_older_one_after_another_and_nothing_else(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9}, old={"b": ["KAFKA_HEAP_OPTS"]})
    opened: list[Collection[str]] = []

    def reopen(renewed: Collection[str]) -> Stack:
        opened.append(renewed)
        return stack(tmp_path, engine)

    def renew() -> list[str]:
        return lifecycle.renew(reopen, timeout=9, progress=seen.said.append, watch=seen.watch)

    assert renew() == ["b"]
    assert engine.done == ["stop b", "start b"]
    assert opened == [(), ["b"]]
    assert "KAFKA_HEAP_OPTS" in seen.said[0]
    engine.name = "docker"
    assert renew() == []


@pytest.mark.parametrize("renew", [False, True])
def test_a_restart_that_would_fail_stops_nothing(tmp_path: Path, seen: Seen, renew: bool) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9}, refuses=StackError("disk-full", "0 MiB"))
    with pytest.raises(StackError, match="disk-full"):
        lifecycle.restart(
            stack(tmp_path, engine), "b", timeout=9, progress=seen.said.append, watch=seen.watch, renew=renew
        )
    assert engine.done == []


def test_nothing_is_restarted_while_another_service_is_dead(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, needs=0, looks={"a": 9, "b": 9}, dying=frozenset("a"))

    def restart(name: str) -> None:
        lifecycle.restart(
            stack(tmp_path, engine), name, timeout=9, progress=seen.said.append, watch=seen.watch, clock=FakeClock()
        )

    with pytest.raises(StackError, match="not-whole") as caught:
        restart("b")
    assert "a has died" in caught.value.message
    assert engine.done == []
    engine.dying = frozenset()
    restart("a")
    assert engine.done == ["stop a", "start a"]


def test_a_restart_that_is_interrupted_leaves_the_service_started(tmp_path: Path, seen: Seen) -> None:
    class Interrupted(FakeEngine):
        def stop(self, services: Sequence[str], progress: Progress) -> None:
            super().stop(services, progress)
            if services == ["b"]:
                raise KeyboardInterrupt

    engine = Interrupted(TWO, looks={"a": 9, "b": 9})
    with pytest.raises(KeyboardInterrupt):
        lifecycle.restart(stack(tmp_path, engine), "b", timeout=9, progress=seen.said.append, watch=seen.watch)
    assert engine.done == ["stop b", "start b"]
    assert "interrupted; b is started again" in seen.said


def test_what_runs_with_an_older_configuration_is_named_with_the_remedy(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9, "b": 9}, old={"b": ["KAFKA_LISTENERS", "ports"]})
    up(tmp_path, engine, seen)
    (told,) = [words for words in seen.said if "configuration" in words]
    assert "KAFKA_LISTENERS, ports" in told
    assert "./invoke restart b --renew" in told
    states, _ = readiness.survey(stack(tmp_path, engine))
    assert [state.outdated for state in states] == [(), ("KAFKA_LISTENERS", "ports")]


def test_what_another_task_stopped_meanwhile_is_not_started_with_its_older_configuration(
    tmp_path: Path, seen: Seen
) -> None:
    engine = FakeEngine(TWO, looks={"a": 9}, old={"b": ["ports"]})  # b ran when the stack was opened
    with pytest.raises(StackError, match="stopped-meanwhile"):
        up(tmp_path, engine, seen)
    assert engine.done == []


def test_a_service_whose_data_is_gone_is_not_waited_for(tmp_path: Path, seen: Seen) -> None:
    class Moved(FakeEngine):
        def states(self, services: Sequence[str] | None = None) -> list[ServiceState]:
            found = super().states(services)
            return [
                replace(state, health="unhealthy", detail="its data is gone: /d", data_gone=True) for state in found
            ]

    with pytest.raises(StackError, match="data-gone") as caught:
        up(tmp_path, Moved(TWO, looks={"a": 9, "b": 9}), seen)
    assert "/d" in caught.value.message
    assert "./invoke restart a" in str(caught.value.hint)


CLUSTER = model(
    **{
        f"kafka-{node}": PLAIN
        | {
            "environment": {
                "KAFKA_PROCESS_ROLES": "broker",
                "KAFKA_NODE_ID": str(node),
                "KAFKA_ADVERTISED_LISTENERS": f"EXTERNAL://127.0.0.1:{node}",
            }
        }
        for node in (1, 2)
    },
    registry=PLAIN | {"depends_on": {"kafka-1": {"condition": "service_healthy"}}},
    connect=PLAIN | {"depends_on": {"registry": {"condition": "service_healthy"}}},
    database=PLAIN,
)


def surveyed(
    root: Path, monkeypatch: pytest.MonkeyPatch, engine: FakeEngine, alive: tuple[int, ...] | None
) -> dict[str, ServiceState]:
    """Return what a survey says of each service while the cluster counts these brokers as alive (None: no answer)."""
    said = None if alive is None else ClusterHealth("x", 1, alive, ())
    monkeypatch.setattr(health, "probe", lambda _: said)
    return {state.name: state for state in readiness.survey(stack(root, engine))[0]}


def test_a_broker_that_the_cluster_has_fenced_is_not_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(CLUSTER, looks=dict.fromkeys(CLUSTER.services, 9))
    found = surveyed(tmp_path, monkeypatch, engine, alive=(2,))
    assert {name for name, state in found.items() if state.health != "healthy"} == {"kafka-1"}
    assert "does not count it as alive" in found["kafka-1"].detail


def test_nothing_that_needs_a_broker_is_healthy_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(CLUSTER, looks=dict.fromkeys(("registry", "connect", "database"), 9))
    found = surveyed(tmp_path, monkeypatch, engine, alive=None)
    assert {name: state.health for name, state in found.items() if state.phase == "running"} == {
        "registry": "unhealthy",
        "connect": "unhealthy",
        "database": "healthy",
    }
    assert found["registry"].detail == "no broker lives"


def test_a_cluster_that_is_slow_to_answer_makes_nobody_ill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(CLUSTER, looks=dict.fromkeys(CLUSTER.services, 9))
    found = surveyed(tmp_path, monkeypatch, engine, alive=None)
    assert {state.health for state in found.values()} == {"healthy"}


def secured(root: Path) -> Model:
    """Return the cluster with a certificate for each of its nodes."""
    nodes = {}
    for name in ("kafka-1", "kafka-2"):
        mount = {"type": "bind", "source": str(root / "secrets" / name), "target": "/tls", "read_only": True}
        nodes[name] = {**CLUSTER[name].raw, "x-certificate": "/tls", "volumes": [mount]}
    return model(**{name: dict(one.raw) for name, one in CLUSTER.services.items()} | nodes)


def test_a_cluster_that_lets_nobody_in_is_asked_to_let_the_administrator_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = FakeEngine(CLUSTER, looks=dict.fromkeys(CLUSTER.services, 9))
    monkeypatch.setattr(health, "probe", lambda _: ClusterHealth("x", 1, (1, 2), ()) if engine.let else None)
    assert readiness.look(stack(tmp_path, engine), 0.0).missing == "no broker answers"
    assert readiness.look(stack(tmp_path, engine), 0.0).missing == ""
    assert engine.let == 1


@pytest.mark.parametrize("safe_runs", [True, False])
def test_a_change_of_the_security_profile_starts_and_renews_nothing_while_something_runs(
    tmp_path: Path, seen: Seen, safe_runs: bool
) -> None:
    ran, declared = (secured(tmp_path), CLUSTER) if safe_runs else (CLUSTER, secured(tmp_path))
    engine = FakeEngine(declared, looks=dict.fromkeys(CLUSTER.services, 9))
    running = Stack(Settings(tmp_path, {}), ran, engine)
    with pytest.raises(StackError, match="security-switch"):
        lifecycle.up(running, timeout=9, progress=seen.said.append, watch=seen.watch)
    with pytest.raises(StackError, match="security-switch"):
        lifecycle.restart(running, "kafka-1", timeout=9, progress=seen.said.append, watch=seen.watch, renew=True)
    assert engine.done == []


def test_rules_that_cannot_be_read_start_nothing(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(secured(tmp_path))
    with pytest.raises(StackError, match="access-file"):
        up(tmp_path, engine, seen)
    assert engine.done == []


def test_restart_of_an_unknown_service_stops_nothing(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, looks={"a": 9})
    with pytest.raises(StackError, match="unknown-service"):
        lifecycle.restart(stack(tmp_path, engine), "c", timeout=9, progress=seen.said.append, watch=seen.watch)
    assert engine.done == []


def test_a_second_task_says_that_it_waits_and_then_goes_on(tmp_path: Path) -> None:
    settings = Settings(tmp_path, {})
    waits = threading.Event()
    order: list[str] = []

    def told(text: str) -> None:
        order.append(text)
        waits.set()

    def second() -> None:
        with lifecycle.exclusive(settings, told):
            order.append("second")

    with lifecycle.exclusive(settings, order.append):
        other = threading.Thread(target=second)
        other.start()
        assert waits.wait(30)
        order.append("first")
    other.join(30)
    assert order == [
        "another task is starting or stopping this stack; waiting for it",
        "first",
        "second",
    ]


def test_a_lock_that_the_disk_does_not_take_keeps_nobody_from_stopping(tmp_path: Path, seen: Seen) -> None:
    (tmp_path / ".stack").write_text("in the way", encoding="utf-8")
    engine = FakeEngine(TWO, looks={"a": 9}, data={"a"})
    lifecycle.down(stack(tmp_path, engine), seen.said.append)
    assert engine.looks == {}
    assert "cannot be locked" in seen.said[0]
    with pytest.raises(StackError, match="folder-not-writable") as caught:
        up(tmp_path, engine, seen)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert engine.done == ["stop a"]


def test_a_journal_of_nonsense_keeps_nobody_from_stopping(tmp_path: Path, seen: Seen) -> None:
    journal = tmp_path / ".stack" / "swap.json"
    journal.parent.mkdir()
    journal.write_text('{"committed": true, "live": 7}', encoding="utf-8")
    engine = FakeEngine(TWO, looks={"a": 9})
    lifecycle.down(stack(tmp_path, engine), seen.said.append)
    assert engine.looks == {}
    assert "cannot be read" in seen.said[0]
    with pytest.raises(StackError, match="restore-journal") as caught:
        up(tmp_path, engine, seen)
    assert str(journal) in str(caught.value.hint)


def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    settings = Settings(tmp_path, {})
    said: list[str] = []
    with pytest.raises(StackError), lifecycle.exclusive(settings, said.append):
        raise StackError("service-died", "gone")
    with lifecycle.exclusive(settings, said.append):
        assert said == []


def test_a_snapshot_is_ready_when_nothing_is_missing() -> None:
    healthy = ServiceState("a", "running", health="healthy")
    starting = ServiceState("b", "starting", health="starting")
    absent = ServiceState("c", "unavailable")
    assert Snapshot((healthy, absent), "", 0).ready
    assert not Snapshot((healthy, starting), "", 0).ready
    assert not Snapshot((healthy,), "no active controller", 0).ready


def test_what_an_up_of_fewer_profiles_leaves_running_is_named(tmp_path: Path) -> None:
    engine = FakeEngine(model(a=PLAIN, b=PLAIN, c=PLAIN), looks={"a": 9, "b": 9})
    assert lifecycle.beside(stack(tmp_path, engine)) == []
    assert lifecycle.beside(replace(stack(tmp_path, engine), model=engine.model.only({"a"}))) == ["b"]


def test_what_had_died_runs_again_after_everything_was_stopped(tmp_path: Path, seen: Seen) -> None:
    engine = FakeEngine(TWO, once={"b"})
    engine.looks = {"a": engine.needs, "b": 0}
    assert [state.phase for state in engine.states()] == ["running", "exited"]
    with lifecycle.stopped(
        stack(tmp_path, engine), timeout=60, progress=seen.said.append, watch=seen.watch, clock=FakeClock()
    ):
        assert engine.looks == {}
        engine.once.clear()  # what it died of is mended
    assert engine.done[-2:] == ["start a", "start b"]


def test_what_ran_runs_again_when_the_stop_itself_is_interrupted(tmp_path: Path, seen: Seen) -> None:
    class Interrupted(FakeEngine):
        def stop(self, services: Sequence[str], progress: Progress) -> None:
            super().stop(services[:1], progress)
            raise KeyboardInterrupt

    engine = Interrupted(TWO)
    engine.looks = {"a": 9, "b": 9}
    with (
        pytest.raises(KeyboardInterrupt),
        lifecycle.stopped(
            stack(tmp_path, engine), timeout=60, progress=seen.said.append, watch=seen.watch, clock=FakeClock()
        ),
    ):
        raise AssertionError("nothing may be done on data that is in use")
    assert list(engine.looks) == ["b", "a"]


def test_where_the_data_is_replaced_what_lives_by_brokers_is_killed(
    tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "probe", lambda _: ClusterHealth("x", 1, (1, 2), ()))
    engine = FakeEngine(CLUSTER, looks=dict.fromkeys(CLUSTER.services, 9))
    del engine.looks["kafka-2"]
    with lifecycle.stopped(
        stack(tmp_path, engine), timeout=60, progress=seen.said.append, watch=seen.watch, replaced=True
    ):
        assert engine.looks == {}
    killed = [line for line in engine.done if line.startswith("SIGKILL")]
    assert killed == ["SIGKILL connect", "SIGKILL kafka-1", "SIGKILL registry"]
    assert engine.done[: len(killed)] == killed
    assert "start kafka-2" not in engine.done
