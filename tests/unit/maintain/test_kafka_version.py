"""Another Kafka: every tag of its images changes, and nothing that only looks like its version."""

from __future__ import annotations

import pytest

from backbone.errors import StackError
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE
from scripts.maintain import kafka_version
from tests import ROOT

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
        ("KAFKA_VERSION=4.3.1", "KAFKA_VERSION=4.4.0"),
        ("image: grafana/loki:4.3.1", "image: grafana/loki:4.3.1"),
        ("image: apache/kafka:4.3.10", "image: apache/kafka:4.3.10"),
        ("image: apache/kafka:4.3.1-rc1", "image: apache/kafka:4.4.0-rc1"),
    ],
)
def test_only_kafka_changes(before: str, after: str | None) -> None:
    assert kafka_version.renamed(before, "4.3.1", "4.4.0") == (after or before.replace("4.3.1", "4.4.0"))


def test_no_file_of_the_stack_keeps_the_old_version() -> None:
    for file in kafka_version.named_in(ROOT):
        changed = kafka_version.renamed(file.read_text(encoding="utf-8"), CURRENT, "99.0.0")
        assert CURRENT not in changed, file


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(StackError, match="no version such as"):
        kafka_version.main(["latest"])
