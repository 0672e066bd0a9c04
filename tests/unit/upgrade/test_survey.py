"""Where a cluster stands between two versions, from what its brokers answer."""

from __future__ import annotations

import pytest

from backbone.errors import StackError
from backbone.upgrade import survey
from backbone.upgrade.features import Features, release
from backbone.upgrade.survey import Node, Survey

OLD = Features({"metadata.version": 30, "share.version": 1}, {"metadata.version": 30, "share.version": 1})
NEW = Features({"metadata.version": 33, "share.version": 2, "kraft.version": 1}, OLD.finalized)
KNOWN = ("4.3.1", "4.4.0")


def cluster(*nodes: Node, finalized: int = 30, controller: str = "b") -> Survey:
    return Survey(nodes, controller, {"metadata.version": finalized, "share.version": 1})


def test_what_does_not_answer_comes_first_and_the_active_controller_last() -> None:
    found = cluster(Node("a", "4.3.1", OLD), Node("b", "4.3.1", OLD), Node("c", "4.3.1", None))
    assert [node.name for node in found.behind("4.4.0")] == ["c", "a", "b"]


def test_a_node_that_runs_the_version_is_left_alone() -> None:
    found = cluster(Node("a", "4.4.0", NEW), Node("b", "4.3.1", OLD))
    assert [node.name for node in found.behind("4.4.0")] == ["b"]
    assert [node.name for node in found.behind("4.3.1")] == ["a"]


def test_a_node_is_judged_by_its_own_answer_and_not_by_the_files_alone() -> None:
    assert not survey.runs(Node("a", "4.4.0", OLD), "4.4.0")
    assert not survey.runs(Node("a", "4.4.1", NEW), "4.4.0")
    assert survey.runs(Node("a", "", NEW), "4.4.0")


def test_only_what_every_node_supports_can_be_raised() -> None:
    mixed = cluster(Node("a", "4.4.0", NEW), Node("b", "4.3.1", OLD))
    assert mixed.raisable == {}
    assert mixed.releases == ("4.3", "4.4")
    done = cluster(Node("a", "4.4.0", NEW), Node("b", "4.4.0", NEW))
    assert done.raisable == {"kraft.version": (0, 1), "metadata.version": (30, 33), "share.version": (1, 2)}


def test_the_way_back_leads_to_the_release_that_is_finalised() -> None:
    half = cluster(Node("a", "4.4.0", NEW), Node("b", "4.3.1", OLD))
    assert survey.previous(half, KNOWN, "4.4.0") == "4.3.1"
    rolled = cluster(Node("a", "4.4.0", NEW), Node("b", "4.4.0", NEW))
    assert survey.previous(rolled, KNOWN, "4.4.0") == "4.3.1"


def test_an_upgrade_that_was_killed_before_its_first_node_can_be_undone() -> None:
    begun = cluster(Node("a", "4.3.1", OLD), Node("b", "4.3.1", OLD))
    assert survey.previous(begun, KNOWN, "4.4.0") == "4.3.1"
    with pytest.raises(StackError, match=r"finalised at Kafka 4\.3"):
        survey.previous(begun, KNOWN, "4.3.1")


def test_after_finalising_only_a_snapshot_leads_back() -> None:
    with pytest.raises(StackError, match=r"finalised at Kafka 4\.4") as refused:
        survey.previous(cluster(Node("a", "4.4.0", NEW), finalized=33), KNOWN, "4.4.0")
    assert "./invoke snapshot list" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("level", "name"), [(20, "3"), (21, "3.9"), (25, "4.0"), (30, "4.3"), (31, "4.4"), (33, "4.4")]
)
def test_a_level_belongs_to_a_release(level: int, name: str) -> None:
    assert release(level) == name


def test_words_for_what_runs() -> None:
    assert [Node("a", "4.3.1", OLD).words, Node("a", "", NEW).words, Node("a", "4.3.1", None).words] == [
        "4.3.1",
        "4.4.x",
        "does not answer",
    ]
