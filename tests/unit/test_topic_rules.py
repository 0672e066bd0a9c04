from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone.stack import topic_rules
from tests import ROOT

CONNECT = ROOT / "infra" / "05-messaging" / "connect" / "connect-distributed.properties"


@pytest.mark.parametrize("name", ["a", "events-topic", "A.b_c-9", "n" * 249, "..."])
def test_kafkas_names_are_taken(name: str) -> None:
    assert topic_rules.name_fault(name) == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "needs a name"),
        (".", "'.'"),
        ("..", "'..'"),
        ("n" * 250, "250 characters"),
        ("a/b", "'/'"),
        ("größe", "'ß', 'ö'"),
        ("a\n", "'\\n'"),
    ],
)
def test_other_names_are_refused_in_a_sentence(name: str, words: str) -> None:
    assert words in topic_rules.name_fault(name)


@given(st.text(max_size=260))
def test_a_name_is_refused_exactly_when_kafka_refuses_it(name: str) -> None:
    legal = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    taken = 0 < len(name) <= 249 and name not in {".", ".."} and set(name) <= legal
    assert (topic_rules.name_fault(name) == "") is taken


def test_a_dot_and_an_underscore_collide() -> None:
    assert topic_rules.collision("a.b_c", ["x", "a_b.c"]) == "a_b.c"
    assert topic_rules.collision("a.b", ["a.b", "a-b"]) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", "86400000"),
        ("retention.ms", "-1"),
        ("retention.ms", " 5 "),
        ("cleanup.policy", "compact, delete"),
        ("cleanup.policy", ""),
        ("compression.type", "zstd"),
        ("compression.gzip.level", "-1"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("preallocate", "TRUE"),
        ("retention.bytes", "-1"),
        ("leader.replication.throttled.replicas", "0:1,1:2"),
        ("message.timestamp.type", "LogAppendTime"),
        ("flush.ms", str(2**63 - 1)),
    ],
)
def test_settings_that_kafka_takes(name: str, value: str) -> None:
    assert topic_rules.setting_fault(name, value) == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("retenion.ms", "1", "did you mean retention.ms?"),
        ("log.retention.hours", "1", "no topic setting"),
        ("retention.ms", "-2", "wants -1 or more"),
        ("retention.ms", "3d", "64 bits"),
        ("retention.ms", "9" * 5000, "64 bits"),
        ("retention.ms", str(2**63), "64 bits"),
        ("max.message.bytes", str(2**31), "32 bits"),
        ("min.insync.replicas", "0", "wants 1 or more"),
        ("cleanup.policy", "remove", "wants compact or delete"),
        ("compression.type", "Zstd", "wants uncompressed or zstd"),
        ("compression.gzip.level", "10", "wants 1 to 9, or -1"),
        ("min.cleanable.dirty.ratio", "1.5", "wants 0 to 1"),
        ("min.cleanable.dirty.ratio", "nan", "wants a number"),
        ("preallocate", "yes", "true or false"),
    ],
)
def test_settings_that_kafka_refuses(name: str, value: str, words: str) -> None:
    reason = topic_rules.setting_fault(name, value)
    assert words in reason
    assert len(reason) < 250


def test_connects_topics_are_those_of_its_file() -> None:
    lines = CONNECT.read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[2] for line in lines if ".storage.topic=" in line]
    assert len(names) == 3
    assert all(topic_rules.memory(name) for name in names)
    assert topic_rules.memory("events-topic") == ""
