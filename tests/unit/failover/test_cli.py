"""The task's flags: what they ask for, and what contradicts itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from backbone.errors import ExitCode, StackError
from backbone.failover.campaign import Cluster
from backbone.failover.plan import QUICK, STANDARD, dump, generate
from scripts.tasks.failover import plans, refuse_nonsense
from tests.unit.failover.fakes import FakeClock, FakeEngine, target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    engine = FakeEngine(FakeClock(), tmp_path, name="docker")
    return Cluster({}, {"broker.session.timeout.ms": "1500"}, target(engine).stack)


def asked(cluster: Cluster, **flags: Any) -> list[Any]:
    defaults: dict[str, Any] = {"quick": False, "soak": 0.0, "plan": "", "faults": 12}
    return list(plans(cluster, **{**defaults, **flags}))


def test_modes(cluster: Cluster, tmp_path: Path) -> None:
    assert asked(cluster) == [STANDARD]
    assert asked(cluster, quick=True) == [QUICK]
    assert asked(cluster, plan="42", faults=7) == [generate(42, 7, cluster.needs())]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(dump(QUICK)))
    assert asked(cluster, plan=str(path)) == [QUICK]


@pytest.mark.parametrize(
    "flags", [{"quick": True, "plan": "1"}, {"soak": 1.0, "quick": True}, {"soak": 1.0, "plan": "1"}]
)
def test_modes_exclude_each_other(cluster: Cluster, flags: dict[str, Any]) -> None:
    with pytest.raises(StackError) as caught:
        asked(cluster, **flags)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(("faults", "soak"), [(0, 0.0), (-1, 0.0), (12, -1.0)])
def test_numbers_make_sense(cluster: Cluster, faults: int, soak: float) -> None:
    with pytest.raises(StackError) as caught:
        asked(cluster, plan="" if soak else "1", faults=faults, soak=soak)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("bootstrap", "flags"),
    [
        ("", {"seconds": 5.0}),
        ("", {"busy": True}),
        ("", {"rate": 0.0}),
        ("h:1", {"seconds": -1.0}),
        ("h:1", {"planned": True}),
    ],
)
def test_a_flag_that_would_be_ignored_is_refused(bootstrap: str, flags: dict[str, Any]) -> None:
    sound: dict[str, Any] = {"rate": 300.0, "seconds": 0.0, "busy": False, "planned": False}
    refuse_nonsense(bootstrap, **sound)
    with pytest.raises(StackError) as caught:
        refuse_nonsense(bootstrap, **{**sound, **flags})
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_cluster_knows_its_session_and_abilities(cluster: Cluster) -> None:
    assert cluster.session == 1.5
    assert cluster.needs() == ("signals",)
    (cast("FakeEngine", cluster.stack and cluster.stack.engine)).folder("kafka-1")
    for node in (2, 3):
        (cast("FakeEngine", cluster.stack and cluster.stack.engine)).folder(f"kafka-{node}")
    assert cluster.needs() == ("signals", "files")
    assert Cluster({}, {}).needs() == ()
