"""What a topic is to the rest, in a checkout with a connector, a contract and a topics file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events import topic_uses
from backbone.events.connectors import files
from backbone.events.contracts import repository
from backbone.stack import topics
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (files.FOLDER, topics.FILE.parent, repository.FOLDER / "events-topic-value"):
        (tmp_path / folder).mkdir(parents=True)
    for source in (ROOT / files.FOLDER).glob("*.yml"):
        (tmp_path / files.FOLDER / source.name).write_bytes(source.read_bytes())
    (tmp_path / topics.FILE).write_bytes((ROOT / topics.FILE).read_bytes())
    return tmp_path


def test_who_reads_feeds_and_describes_a_topic_is_named(root: Path) -> None:
    said = "\n".join(topic_uses.find(root, "events-topic", ["billing", "connect-events"]))
    assert "reads it" in said
    assert "the contract events-topic-value" in said
    assert "topics.yml names it" in said
    assert "the group billing" in said
    assert "the group connect-events" in said


def test_a_source_feeds_the_topics_under_its_prefix(root: Path) -> None:
    (sentence,) = topic_uses.find(root, "changes.public.orders", [])
    assert "the connector postgres-changes writes to it" in sentence


def test_a_topic_of_nobody_is_free(root: Path) -> None:
    assert topic_uses.find(root, "scratch", []) == ()
    for file in (root / files.FOLDER).iterdir():
        file.unlink()
    assert topic_uses.find(root, "scratch", []) == ()


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("__consumer_offsets", "consumer groups"),
        ("__transaction_state", "transactions"),
        ("__share_group_state", "share groups"),
        ("kafkasql-journal", "contracts"),
        ("_connect-configs", "connectors"),
        ("_connect-offsets", "Connect"),
        ("_connect-status", "Connect"),
        ("events-topic.dead-letters", "dead letters"),
    ],
)
def test_what_others_are_kept_in_needs_the_flag_that_says_so(root: Path, topic: str, words: str) -> None:
    with pytest.raises(StackError) as caught:
        topic_uses.find(root, topic, [])
    assert (caught.value.reference, caught.value.exit_code) == ("topic-protected", ExitCode.USAGE)
    assert words in caught.value.message
    assert str(caught.value.hint).endswith(f"topics delete {topic} --internal")
    assert words in topic_uses.find(root, topic, [], internal=True)[0]


def test_a_connector_file_that_cannot_be_read_stops_it(root: Path) -> None:
    (root / files.FOLDER / "broken.yml").write_text("doc: [", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        topic_uses.find(root, "scratch", [])
    assert caught.value.reference == "connectors-invalid"
