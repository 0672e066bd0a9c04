"""Another Kafka: every tag of its images changes, and nothing that only looks like its version."""

from __future__ import annotations

import pytest

from backbone.errors import StackError
from backbone.source import env_file
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE
from scripts.maintain import kafka_version
from tests import ROOT

OF_NEW_DATA = env_file.read(ROOT / ".env.example", {})["KAFKA_VERSION"]
CURRENT = kafka_version.current(artifacts.read_lock(ROOT / LOCK_FILE))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "image: ${KAFKA_IMAGE:-messaging-backbone/kafka:4.3.1}",
            "image: ${KAFKA_IMAGE:-messaging-backbone/kafka:4.4.0}",
        ),
        ("KAFKA_CONNECT_IMAGE=messaging-backbone/kafka-connect:4.3.1", None),
        ("ARG KAFKA_BASE_IMAGE=apache/kafka:4.3.1", "ARG KAFKA_BASE_IMAGE=apache/kafka:4.4.0"),
        ("image: grafana/loki:4.3.1", "image: grafana/loki:4.3.1"),
        ("image: apache/kafka:4.3.10", "image: apache/kafka:4.3.10"),
        ("image: apache/kafka:4.3.1-rc1", "image: apache/kafka:4.4.0-rc1"),
    ],
)
def test_only_kafka_changes(before: str, after: str | None) -> None:
    assert kafka_version.renamed(before, "4.3.1", "4.4.0") == (after or before.replace("4.3.1", "4.4.0"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("KAFKA_VERSION=4.3.1", "KAFKA_VERSION=4.4.0"),
        ("jars: kafka@${KAFKA_VERSION:-4.2.0}", "jars: kafka@${KAFKA_VERSION:-4.4.0}"),
        ("KAFKA_CONNECT_IMAGE=messaging-backbone/kafka-connect:4.3.1", None),
        ("ARG KAFKA_BASE_IMAGE=apache/kafka:4.3.1", None),
        ("KAFKA_UI_VERSION=v1.5.0", None),
        ("IMAGE=kafka:${KAFKA_VERSION}", None),
    ],
)
def test_only_what_brokers_begin_with_changes(before: str, after: str | None) -> None:
    assert kafka_version.begun(before, "4.4.0") == (after or before)


def test_no_file_of_the_stack_keeps_the_old_version() -> None:
    for file in kafka_version.named_in(ROOT):
        changed = kafka_version.renamed(file.read_text(encoding="utf-8"), CURRENT, "99.0.0")
        changed = kafka_version.begun(changed, "99.0.0")
        assert CURRENT not in changed, file
        assert OF_NEW_DATA not in changed, file


def test_only_what_is_locked_is_what_brokers_begin_with() -> None:
    with pytest.raises(StackError, match="not one that this stack can run"):
        kafka_version.main(["99.0.0", "--brokers"])


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(StackError, match="no version such as"):
        kafka_version.main(["latest"])
