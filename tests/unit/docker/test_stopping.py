"""The last node of a quorum is not waited for longer than it can use."""

from __future__ import annotations

from backbone.stack.engine.docker.stopping import LastNode

NODES = frozenset({"kafka-1", "kafka-2", "kafka-3"})


class Clock:
    """Time that the test sets."""

    time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_the_last_of_three_is_overdue_after_its_time_alone() -> None:
    clock = Clock()
    last = LastNode(NODES, 12.0, clock)
    asked = []
    for seconds, running in [
        (0, NODES),
        (50, {"kafka-1", "kafka-2"}),
        (60, {"kafka-1"}),
        (71, {"kafka-1"}),
        (72, {"kafka-1"}),
    ]:
        clock.time = seconds
        asked.append(last.overdue(running))
    assert asked == [None, None, None, None, "kafka-1"]


def test_other_services_do_not_count_as_company() -> None:
    clock = Clock()
    last = LastNode(NODES, 0.0, clock)
    assert last.overdue({"kafka-3", "postgres"}) == "kafka-3"


def test_a_node_that_is_stopped_by_itself_has_all_its_grace() -> None:
    clock = Clock()
    last = LastNode(frozenset({"kafka-2"}), 1.0, clock)
    clock.time = 60
    assert last.overdue({"kafka-2"}) is None
