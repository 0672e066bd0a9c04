"""One node after another: the roll stops at the first that does not come back well, and goes on where it was."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.upgrade import roll
from backbone.upgrade.features import Features
from backbone.upgrade.survey import Node, Survey
from tests.fakes import PLAIN, FakeClock, FakeEngine, model, stack

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from backbone.stack.engine.base import Stack

NAMES = ("a", "b", "c")
LEVELS = {"4.3.1": 30, "4.4.0": 33}


@dataclass
class Cluster:
    """Three services; a start gives one the version of .env, unless it is stuck with the one it had."""

    root: Path
    engine: FakeEngine = field(default_factory=lambda: FakeEngine(model(a=PLAIN, b=PLAIN, c=PLAIN)))
    stuck: str = ""
    finalized: int = 30

    def __post_init__(self) -> None:
        (self.root / ".env").write_text("# kept\nKAFKA_VERSION=4.3.1\n", encoding="utf-8")
        self.versions = dict.fromkeys(NAMES, "4.3.1")
        self.engine.looks = dict.fromkeys(NAMES, self.engine.needs)
        self.renewed: list[list[str]] = []

    def open(self, renewed: Collection[str]) -> Stack:
        self.renewed.append(list(renewed))
        return stack(self.root, self.engine)

    def look(self, _: Stack) -> Survey:
        asked = (self.root / ".env").read_text(encoding="utf-8").rpartition("=")[2].strip()
        for name in {line.split()[1] for line in self.engine.done if line.startswith("start")} - {self.stuck}:
            self.versions[name] = asked
        nodes = [
            Node(name, version, Features({"metadata.version": LEVELS[version]}, {"metadata.version": self.finalized}))
            for name, version in self.versions.items()
        ]
        return Survey(tuple(nodes), "a", {"metadata.version": self.finalized})

    def roll(self, target: str) -> list[str]:
        steps = roll.nodes(
            self.open,
            target,
            timeout=60,
            progress=lambda _: None,
            watch=lambda _: None,
            look=self.look,
            clock=FakeClock(),
        )
        return [step.node for step in steps]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_each_node_is_restarted_alone_and_the_controller_last(cluster: Cluster) -> None:
    assert cluster.roll("4.4.0") == ["b", "c", "a"]
    assert cluster.engine.done == ["stop b", "start b", "stop c", "start c", "stop a", "start a"]
    assert cluster.engine.as_ran is False
    assert cluster.renewed[2:] == [["b"], ["c"], ["a"]]
    assert (cluster.root / ".env").read_text(encoding="utf-8") == "# kept\nKAFKA_VERSION=4.4.0\n"


def test_a_node_that_dies_stops_the_roll_with_the_others_untouched(cluster: Cluster) -> None:
    cluster.engine.dying = frozenset({"b"})
    with pytest.raises(StackError, match=r"b is not well with Kafka 4\.4\.0") as stopped:
        cluster.roll("4.4.0")
    assert not {line for line in cluster.engine.done if line.split()[1] != "b"}
    assert "the disk is on fire" in (stopped.value.context or "")
    assert "./invoke upgrade --back" in (stopped.value.hint or "")


def test_a_node_that_comes_back_with_another_version_stops_the_roll(cluster: Cluster) -> None:
    cluster.stuck = "b"
    with pytest.raises(StackError, match=r"it came back with 4\.3\.1"):
        cluster.roll("4.4.0")
    assert "stop c" not in cluster.engine.done


def test_the_next_call_goes_on_where_a_killed_one_was(cluster: Cluster) -> None:
    cluster.versions["b"] = "4.4.0"
    assert cluster.roll("4.4.0") == ["c", "a"]


def test_data_that_is_finalised_above_the_target_is_a_doubt(cluster: Cluster) -> None:
    cluster.finalized = 33
    opened = stack(cluster.root, cluster.engine)
    with pytest.raises(StackError, match=r"nothing was restarted: the data is finalised at Kafka 4\.4"):
        roll.demand_no_doubt(opened, cluster.look(opened), "4.3.1")


def test_the_settings_of_a_node_that_is_not_restarted_are_no_doubt(cluster: Cluster) -> None:
    cluster.versions["b"] = "4.4.0"
    cluster.engine.old = {"a": ["KAFKA_NUM_IO_THREADS"], "c": ["KAFKA_NUM_IO_THREADS"]}
    opened = roll.whole(stack(cluster.root, cluster.engine))
    words = [words for words, _ in roll.doubts(opened, cluster.look(opened), "4.3.1")]
    assert not [each for each in words if "older configuration" in each]
    cluster.engine.old = {"b": ["KAFKA_NUM_IO_THREADS"]}
    words = [words for words, _ in roll.doubts(opened, cluster.look(opened), "4.3.1")]
    assert "b runs with an older configuration (KAFKA_NUM_IO_THREADS)" in words[0]


def test_nor_are_those_of_a_node_that_does_not_answer(cluster: Cluster) -> None:
    cluster.engine.old = {"b": ["KAFKA_MAX_CONNECTIONS_PER_IP"]}
    opened = roll.whole(stack(cluster.root, cluster.engine))
    found = cluster.look(opened)
    silent = replace(found, nodes=tuple(replace(n, features=None) if n.name == "b" else n for n in found.nodes))
    assert list(roll.doubts(opened, silent, "4.3.1")) == []
    assert silent.behind("4.3.1")[0].name == "b"
