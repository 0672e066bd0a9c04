"""The plan for a cluster that is not ours: the order, what speaks against it, and what clients will notice."""

from __future__ import annotations

from dataclasses import replace

from backbone.stack.health import ClusterHealth, PartitionState
from backbone.upgrade import plan
from backbone.upgrade.features import Features
from backbone.upgrade.survey import Node, Survey

OLD = Features({"metadata.version": 30}, {"metadata.version": 30})
SPARE = PartitionState("orders", 0, 1, (1, 2, 3), (1, 2, 3), 2)
WHOLE = ClusterHealth("c", 2, (1, 2, 3), (SPARE,))


def cluster(level: int | None = 30, **answers: Features | None) -> Survey:
    nodes = {"broker 1": OLD, "broker 2": OLD, "broker 3": OLD} | {
        name.replace("_", " "): answer for name, answer in answers.items()
    }
    finalized = {} if level is None else {"metadata.version": level}
    return Survey(tuple(Node(name, "", answer) for name, answer in nodes.items()), "broker 2", finalized)


def judged(
    found: Survey, seen: ClusterHealth = WHOLE, target: str = "4.4.0", separate: tuple[int, ...] = ()
) -> plan.Plan:
    return plan.judged(found, seen, target, separate=separate, leader=11 if separate else 2)


def test_a_whole_cluster_has_an_order_and_nothing_against_it() -> None:
    made = judged(cluster())
    assert made.order == ("broker 1", "broker 3", "broker 2")
    assert (made.against, made.noticed) == ((), ())


def test_controllers_that_are_no_brokers_come_first_the_active_one_last() -> None:
    made = judged(cluster(), separate=(11, 10, 12))
    assert made.order[:3] == ("controller 10", "controller 12", "controller 11")
    assert "were not asked" in made.noticed[0]


def test_what_has_to_be_mended_first_is_said() -> None:
    behind = replace(WHOLE, partitions=(replace(SPARE, isr=(1, 2)),))
    assert "broker 3 did not answer" in judged(cluster(broker_3=None)).against[0]
    assert "1 partitions not fully replicated" in judged(cluster(), behind).against[0]
    assert "2 of 3 brokers alive" in judged(cluster(), replace(WHOLE, brokers=(1, 2))).against[0]


def test_levels_that_the_target_does_not_read_are_said() -> None:
    assert "KRaft" in judged(cluster(None)).against[0]
    assert "Kafka 4 reads 7" in judged(cluster(6)).against[0]
    assert "which 4.2.0 refuses" in judged(cluster(), target="4.2.0").against[0]
    assert "run a newer release than 4.2.0" in judged(cluster(22), target="4.2.0").against[0]


def test_topics_without_a_replica_to_spare_are_named() -> None:
    tight = tuple(PartitionState(f"t{number}", 0, 1, (1, 2), (1, 2), 2) for number in range(7))
    assert judged(cluster(), replace(WHOLE, partitions=tight)).noticed == (
        "no replica to spare for a restart, so that writes with acks=all wait: t0, t1, t2, t3, t4 and 2 more",
    )
