"""Every fault shows what it did; one that did nothing cannot."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, cast

import pytest

from backbone.errors import StackError
from backbone.failover.actions import ACTIONS, NetworkFaults, Scene, abilities
from backbone.failover.plan import KINDS
from tests.unit.failover.fakes import NODES, SESSION, FakeClock, FakeEngine, FakeWorkload, NetworkedEngine, target

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.failover.workload import Workload
    from backbone.stack.engine import Engine

BROKER_KINDS = [name for name, kind in KINDS.items() if kind.needs == "signals" and "client" not in kind.roles]

CONTAINER_KINDS = [
    name for name, kind in KINDS.items() if kind.needs in ("network", "packets", "resources") and name != "isolate"
]


def scene(engine: FakeEngine, kind: str, workload: FakeWorkload | None = None) -> Scene:
    nodes = () if "client" in KINDS[kind].roles else NODES[: KINDS[kind].brokers]
    hold = sum(KINDS[kind].hold) / 2 * SESSION
    return Scene(target(engine), cast("Workload", workload or FakeWorkload()), nodes, hold, engine.clock)


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(FakeClock(), tmp_path)


def inflict_and_undo(engine: FakeEngine, kind: str) -> None:
    place = scene(engine, kind)
    assert ACTIONS[kind].inject(place)
    engine.clock.sleep(place.hold)
    proof = ACTIONS[kind].prove(place)
    assert proof.holds, proof.evidence
    ACTIONS[kind].heal(place)
    assert set(engine.phases.values()) == {"running"}
    assert not engine.silent_since


@pytest.mark.parametrize("kind", BROKER_KINDS)
def test_a_fault_that_bites_is_proved_and_undone(engine: FakeEngine, kind: str) -> None:
    inflict_and_undo(engine, kind)


@pytest.mark.parametrize("kind", BROKER_KINDS)
def test_a_fault_that_does_nothing_is_not_proved(engine: FakeEngine, kind: str) -> None:
    engine.deaf = True
    place = scene(engine, kind)
    ACTIONS[kind].inject(place)
    engine.clock.sleep(place.hold)
    assert not ACTIONS[kind].prove(place).holds


@pytest.mark.parametrize("kind", ["kill", "pause-long"])
def test_a_fault_that_nobody_noticed_is_not_proved(engine: FakeEngine, kind: str) -> None:
    engine.session = 1e9
    place = scene(engine, kind)
    ACTIONS[kind].inject(place)
    assert "still counts as alive" in ACTIONS[kind].prove(place).evidence
    assert not ACTIONS[kind].prove(place).holds


def test_a_kill_waits_until_it_is_noticed(engine: FakeEngine) -> None:
    """The active controller's victim-to-be gets a fresh session from the next controller."""
    engine.session = 2 * SESSION
    place = scene(engine, "kill")
    ACTIONS["kill"].inject(place)
    engine.clock.sleep(1.4 * SESSION)
    assert ACTIONS["kill"].prove(place).holds
    assert 2 * SESSION <= engine.clock.now() - 100 < 2.5 * SESSION


def test_where_the_data_cannot_be_looked_at_the_phase_has_to_do(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = scene(engine, "stop")

    def refused(_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(place.target, "data", refused)
    ACTIONS["stop"].inject(place)
    assert ACTIONS["stop"].prove(place).holds


def test_a_short_pause_that_was_noticed_is_not_what_was_asked_for(engine: FakeEngine) -> None:
    place = scene(engine, "pause-short")
    ACTIONS["pause-short"].inject(place)
    engine.clock.sleep(2 * SESSION)
    assert not ACTIONS["pause-short"].prove(place).holds


def test_a_short_pause_is_for_a_broker_that_counts_as_alive(engine: FakeEngine) -> None:
    place = scene(engine, "pause-short")
    engine.silent_since["kafka-1"] = engine.clock.now() - SESSION
    with pytest.raises(StackError, match="timed-out"):
        ACTIONS["pause-short"].inject(place)
    assert not engine.calls


def test_a_kill_is_no_clean_stop(engine: FakeEngine) -> None:
    place = scene(engine, "kill-brief")
    ACTIONS["kill-brief"].inject(place)
    (engine.folder("kafka-1") / ".kafka_cleanshutdown").touch()
    proof = ACTIONS["kill-brief"].prove(place)
    assert not proof.holds
    assert "stopped cleanly" in proof.evidence


def test_a_bounce_kills_five_times(engine: FakeEngine) -> None:
    place = scene(engine, "bounce")
    ACTIONS["bounce"].inject(place)
    ACTIONS["bounce"].heal(place)
    assert [call for call in engine.calls if call[0] == "SIGKILL"] == [("SIGKILL", "kafka-1")] * 5
    assert [call for call in engine.calls if call[0] == "start"] == [("start", "kafka-1")] * 5


def test_a_rolling_restart_waits_for_each(engine: FakeEngine) -> None:
    place = scene(engine, "rolling")
    ACTIONS["rolling"].inject(place)
    assert place.target.whole_waits == 2  # type: ignore[attr-defined]  # a FakeGround
    assert [name for call, name in engine.calls if call == "stop"] == ["kafka-1", "kafka-2", "kafka-3"]


@pytest.mark.parametrize("role", ["producer", "consumer"])
def test_a_killed_client_is_replaced(engine: FakeEngine, role: str) -> None:
    workload = FakeWorkload()
    place = scene(engine, f"kill-{role}", workload)
    action = ACTIONS[f"kill-{role}"]
    assert "exit status -9" in action.inject(place)
    assert action.prove(place).holds
    action.heal(place)
    assert role in workload.processes


def test_a_client_that_had_ended_by_itself_was_not_killed(engine: FakeEngine) -> None:
    with pytest.raises(StackError, match="not-killed"):
        ACTIONS["kill-producer"].inject(scene(engine, "kill-producer", FakeWorkload(status=1)))


def test_a_cut_tail_says_how_much_is_gone(engine: FakeEngine) -> None:
    folder = engine.folder("kafka-1") / "t-0"
    folder.mkdir()
    (folder / f"{0:020}.log").write_bytes(b"".join(struct.pack(">qi", n, 38) + bytes(38) for n in range(5)))
    place = scene(engine, "cut-tail")
    assert "150" in ACTIONS["cut-tail"].inject(place)
    assert (folder / f"{0:020}.log").stat().st_size == 100


def test_a_cut_that_found_nothing_is_an_error(engine: FakeEngine) -> None:
    engine.folder("kafka-1")
    with pytest.raises(StackError, match="nothing-cut"):
        ACTIONS["cut-tail"].inject(scene(engine, "cut-tail"))


@pytest.fixture
def container_engine(tmp_path: Path) -> NetworkedEngine:
    return NetworkedEngine(FakeClock(), tmp_path, name="docker")


@pytest.mark.parametrize("kind", CONTAINER_KINDS)
def test_a_fault_of_a_container_is_proved_and_undone(container_engine: NetworkedEngine, kind: str) -> None:
    inflict_and_undo(container_engine, kind)
    assert {*container_engine.deaf_to, *container_engine.lossy_since, *container_engine.starved} == set()


@pytest.mark.parametrize("kind", ["one-way", "partial", "packet-loss", "starve"])
def test_a_fault_of_a_container_that_does_nothing_is_not_proved(container_engine: NetworkedEngine, kind: str) -> None:
    container_engine.deaf = True
    place = scene(container_engine, kind)
    ACTIONS[kind].inject(place)
    container_engine.clock.sleep(place.hold)
    assert not ACTIONS[kind].prove(place).holds


def test_a_broker_that_the_kernel_does_not_kill_is_an_error(container_engine: NetworkedEngine) -> None:
    container_engine.deaf = True
    with pytest.raises(StackError, match="timed-out"):
        ACTIONS["out-of-memory"].inject(scene(container_engine, "out-of-memory"))


def test_a_partial_cut_leaves_the_third_broker(container_engine: NetworkedEngine) -> None:
    ACTIONS["partial"].inject(scene(container_engine, "partial"))
    assert container_engine.deaf_to == {"kafka-1": {"kafka-2"}}


def test_isolation_is_proved_by_silence_and_fencing(tmp_path: Path) -> None:
    engine = NetworkedEngine(FakeClock(), tmp_path)
    place = scene(engine, "isolate")
    ACTIONS["isolate"].inject(place)
    assert ACTIONS["isolate"].prove(place).holds
    ACTIONS["isolate"].heal(place)
    assert not engine.cut


def test_an_engine_without_a_network_to_cut_says_so(engine: FakeEngine) -> None:
    assert not isinstance(engine, NetworkFaults)
    with pytest.raises(StackError, match="no-network-faults"):
        ACTIONS["isolate"].inject(scene(engine, "isolate"))
    with pytest.raises(StackError, match="no-limits"):
        ACTIONS["starve"].inject(scene(engine, "starve"))


def test_abilities_are_found_out(tmp_path: Path) -> None:
    def refused() -> None:
        raise PermissionError

    plain = cast("Engine", FakeEngine(FakeClock(), tmp_path, name="docker"))
    networked = cast("Engine", NetworkedEngine(FakeClock(), tmp_path, name="docker"))
    assert abilities(plain, [refused]) == ("signals",)
    assert abilities(networked, [lambda: None]) == ("signals", "files", "network", "packets", "resources")
