"""In which order services stop."""

from __future__ import annotations

from backbone.stack.engine.embedded.stopping import dependents_first


def test_dependents_stop_before_what_they_depend_on_and_equals_together() -> None:
    brokers = ("kafka-1", "kafka-2")
    depends_on = {
        "kafka-1": (),
        "kafka-2": (),
        "connect": (*brokers, "registry"),
        "postgres": ("password",),
        "registry": brokers,
    }
    assert dependents_first(depends_on) == [["connect", "postgres"], ["registry"], ["kafka-1", "kafka-2"]]


def test_a_circle_ends_all_the_same() -> None:
    assert dependents_first({"a": ("b",), "b": ("a",), "c": ("a",)}) == [["c"], ["a", "b"]]
    assert dependents_first({}) == []
