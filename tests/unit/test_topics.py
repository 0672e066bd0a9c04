from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.admin import AlterConfigOp
from kafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from backbone.errors import ExitCode, StackError
from backbone.stack import topics
from backbone.stack.topics import Change, Topic
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class FakeCluster:
    """The admin client of a cluster of three brokers, as far as topics go: it answers and refuses as Kafka does."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self.policy: list[str] = []
        """Values that the cluster does not take (alter.config.policy.class.name)."""

    def describe_topics(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "partitions": [{"replica_nodes": list(range(topic.replicas))}] * topic.partitions}
            for name, topic in self.topics.items()
        ]

    def describe_configs(self, asked: Sequence[Any], config_filter: str) -> dict[str, Any]:
        assert config_filter == "dynamic"
        inherited = {"retention.bytes": {"value": "268435456", "config_source": "STATIC_BROKER_CONFIG"}}
        return {
            "topic": {
                item.name: inherited
                | {
                    key: {"value": value, "config_source": "DYNAMIC_TOPIC_CONFIG"}
                    for key, value in self.topics[item.name].config.items()
                }
                for item in asked
            }
        }

    def create_topics(self, new: Mapping[str, Mapping[str, Any]], *, wait_for_metadata: bool) -> None:
        assert wait_for_metadata
        for name, body in new.items():
            if name in self.topics:
                raise TopicAlreadyExistsError
            replicas = 3 if body["replication_factor"] == -1 else body["replication_factor"]
            if replicas > 3:
                # As kafka-python 3.0.12 tells it.
                raise InvalidReplicationFactorError(
                    f"failed with response 'X(error_message='3 brokers, not {replicas}')'"
                )
            self.topics[name] = Topic(name, body["num_partitions"], replicas, body["configs"])

    def create_partitions(self, wanted: Mapping[str, int]) -> None:
        for name, partitions in wanted.items():
            old = self.topics[name]
            self.topics[name] = Topic(name, partitions, old.replicas, old.config)

    def list_topics(self) -> list[str]:
        return list(self.topics)

    def alter_configs(self, resources: Sequence[Any]) -> dict[str, dict[str, str]]:
        said = {}
        for item in resources:
            if unknown := [key for key in item.configs if not key.startswith(("retention", "cleanup"))]:
                raise ValueError(f"Unrecognized configs: {unknown}")
            old = self.topics[item.name]
            config = dict(old.config)
            for key, (operation, value) in item.configs.items():
                if operation == AlterConfigOp.DELETE:
                    config.pop(key, None)
                else:
                    config[key] = value
            if set(self.policy) & set(config.values()):
                said[item.name] = "[Error 44] PolicyViolationError: the policy of this cluster says no"
                continue
            said[item.name] = "OK"
            self.topics[item.name] = Topic(item.name, old.partitions, old.replicas, config)
        return {"topic": said}

    def delete_topics(self, names: Sequence[str]) -> None:
        for name in names:
            if self.topics.pop(name, None) is None:
                raise UnknownTopicOrPartitionError


@contextmanager
def refused(reference: str, exit_code: ExitCode) -> Iterator[pytest.ExceptionInfo[StackError]]:
    with pytest.raises(StackError) as caught:
        yield caught
    assert (caught.value.reference, caught.value.exit_code) == (reference, exit_code)


def written(folder: Path, text: str) -> Path:
    path = folder / "topics.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_repository_wants_events_topic() -> None:
    found = {topic.name: topic for topic in topics.read(ROOT / topics.FILE)}
    assert found["events-topic"] == Topic("events-topic", 3, -1, {"retention.ms": "259200000"})


@pytest.mark.parametrize(
    "text",
    [
        "topics:\n  - name: a  # kept\n    partitions: 1\n",
        "topics:\n- name: a\n  partitions: 1\n  config:\n    retention.ms: '5'\n# the end",
    ],
)
def test_a_topic_is_added_once_and_the_rest_of_the_file_stays(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert topics.add(path, "null")
    assert [(topic.name, topic.partitions) for topic in topics.read(path)] == [("a", 1), ("null", 3)]
    assert path.read_text(encoding="utf-8").startswith(text)
    assert not topics.add(path, "null")


def test_a_file_that_takes_no_more_items_is_left_as_it_is(tmp_path: Path) -> None:
    text = "topics: [{name: a, partitions: 1}]\n"
    path = written(tmp_path, text)
    with refused("topics-file", ExitCode.USAGE) as raised:
        topics.add(path, "b")
    assert "add by hand" in (raised.value.hint or "")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("topics: [{name: a}]\n", "$.topics[0]"),
        ("topics: [{name: 'a b', partitions: 1}]\n", "$.topics[0].name"),
        ("topics: [{name: '.', partitions: 1}]\n", "$.topics[0].name"),
        ("topics: [{name: '..', partitions: 1}]\n", "$.topics[0].name"),
        ("topics: [{name: a, partitions: 0}]\n", "$.topics[0].partitions"),
        ("topics: [{name: a, partitions: 1, replicas: 4}]\n", "$.topics[0].replicas"),
        ("topics: [{name: a, partitions: 1, config: {retention.ms: 5}}]\n", "$.topics[0].config"),
        ("topics: [{name: a, partitions: 1, size: 2}]\n", "$.topics[0]"),
        ("topics: [{name: a, partitions: 1, config: {retenion.ms: '5'}}]\n", "did you mean retention.ms?"),
        ("topics: [{name: a, partitions: 1, config: {retention.ms: 5d}}]\n", "retention.ms wants a whole number"),
        ("topics: [{name: a.b, partitions: 1}, {name: a_b, partitions: 1}]\n", "a.b and a_b cannot both be"),
        ("topics: [{name: '" + "n" * 250 + "', partitions: 1}]\n", "the name has 250 characters"),
        ("topics: [{name: __consumer_offsets, partitions: 50}]\n", "holds the places of all consumer groups"),
        ("topics: {}\n", "$.topics"),
        ("", "$"),
        ("topics: [\n", "topics.yml is not valid"),
    ],
)
def test_a_file_that_is_not_valid_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with refused("topics-file", ExitCode.USAGE) as caught:
        topics.read(written(tmp_path, text))
    assert words in f"{caught.value.message} {caught.value.context}"
    assert caught.value.context
    assert "schemas/topics.schema.json" in str(caught.value.hint)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with refused("topics-file", ExitCode.USAGE):
        topics.read(tmp_path / "topics.yml")


def test_a_topic_may_be_named_once(tmp_path: Path) -> None:
    with refused("topics-file", ExitCode.USAGE) as caught:
        topics.read(written(tmp_path, "topics: [{name: a, partitions: 1}, {name: a, partitions: 2}]\n"))
    assert "names a twice" in caught.value.message


@pytest.mark.parametrize(
    ("want", "have", "kinds"),
    [
        (Topic("a", 3), None, ["create"]),
        (Topic("a", 3), Topic("a", 3, 3), []),
        (Topic("a", 3, 3), Topic("a", 3, 3), []),
        (Topic("a", 6), Topic("a", 3, 3), ["grow"]),
        (Topic("a", 1), Topic("a", 3, 3), ["refuse"]),
        (Topic("a", 3, 2), Topic("a", 3, 3), ["refuse"]),
        (Topic("a", 3, -1, {"k": "1"}), Topic("a", 3, 3, {"k": "2", "other": "x"}), ["configure", "unset"]),
        (Topic("a", 3, -1, {"k": "1"}), Topic("a", 3, 3, {"k": "1", "other": "x"}), ["unset"]),
        (Topic("a", 6, 2, {"k": "1"}), Topic("a", 3, 3), ["grow", "refuse", "configure"]),
    ],
)
def test_plans_only_what_differs(want: Topic, have: Topic | None, kinds: list[str]) -> None:
    found = {"a": have} if have else {}
    assert [change.kind for change in topics.plan([want], found)] == kinds


def test_topics_that_the_file_does_not_name_are_shown_and_left_alone() -> None:
    cluster = FakeCluster()
    cluster.topics = {"other": Topic("other", 3, 3, {"retention.ms": "1"})}
    before = dict(cluster.topics)
    changes = topics.plan([], topics.describe(cluster))
    assert [(change.topic.name, change.kind, change.mends) for change in changes] == [("other", "unknown", False)]
    topics.apply(cluster, changes)
    assert cluster.topics == before


@pytest.mark.parametrize("name", ["__consumer_offsets", "kafkasql-journal", "_connect-offsets", "__something_new"])
def test_what_kafka_the_registry_and_connect_keep_is_no_unknown_topic(name: str) -> None:
    assert topics.plan([], {name: Topic(name, 1, 3)}) == ()


def test_more_partitions_come_with_a_warning() -> None:
    (change,) = topics.plan([Topic("a", 6)], {"a": Topic("a", 3, 3)})
    assert "a key go to another partition" in change.detail


def test_a_name_that_collides_with_one_of_the_cluster_is_refused_before_anything_is_changed() -> None:
    (change,) = topics.plan([Topic("a.b", 1)], {"a_b": Topic("a_b", 1, 3)})[:1]
    assert (change.kind, "a_b" in change.detail) == ("refuse", True)


def test_a_setting_that_was_taken_out_of_the_file_goes_back_to_the_default() -> None:
    cluster = FakeCluster()
    cluster.topics = {"a": Topic("a", 1, 3, {"retention.ms": "9", "cleanup.policy": "compact"})}
    changes = topics.plan([Topic("a", 1, -1, {"retention.ms": "9"})], topics.describe(cluster))
    assert [str(change) for change in changes] == ["a: unset cleanup.policy (was compact)"]
    topics.apply(cluster, changes)
    assert cluster.topics["a"].config == {"retention.ms": "9"}


def test_what_the_cluster_says_no_to_is_told_in_its_words() -> None:
    cluster = FakeCluster()
    cluster.topics, cluster.policy = {"a": Topic("a", 1, 3)}, ["13"]
    with refused("topic-config", ExitCode.USAGE) as caught:
        topics.apply(cluster, topics.plan([Topic("a", 1, -1, {"retention.ms": "13"})], topics.describe(cluster)))
    assert "the policy of this cluster says no" in str(caught.value.context)


def test_a_change_reads_as_a_sentence() -> None:
    change = Change("grow", Topic("a", 6), "3 → 6 partitions")
    assert str(change) == "a: grow 3 → 6 partitions"


wanted_topics = st.lists(
    st.builds(
        Topic,
        st.text("abc", min_size=1, max_size=3),
        st.integers(1, 12),
        st.sampled_from([-1, 3]),
        st.dictionaries(st.sampled_from(["retention.ms", "retention.bytes", "cleanup.policy"]), st.text("12")),
    ),
    unique_by=lambda topic: topic.name,
)


@given(wanted_topics)
def test_applying_a_plan_leaves_nothing_to_do(wanted: list[Topic]) -> None:
    cluster = FakeCluster()
    cluster.topics = {"a": Topic("a", 1, 3, {"retention.ms": "9"}), "other": Topic("other", 1, 3)}
    topics.apply(cluster, topics.plan(wanted, topics.describe(cluster)))
    assert [x.kind for x in topics.plan(wanted, topics.describe(cluster)) if x.mends] == []
    assert cluster.topics["other"] == Topic("other", 1, 3)


def test_a_topic_that_somebody_else_made_after_the_plan_is_no_error() -> None:
    cluster = FakeCluster()
    wanted = [Topic("a", 1), Topic("b", 1, -1, {"retention.ms": "9"})]
    changes = topics.plan(wanted, topics.describe(cluster))
    topics.create(cluster, Topic("a", 1))
    topics.apply(cluster, changes)
    assert topics.plan(wanted, topics.describe(cluster)) == ()


def test_a_refused_step_changes_nothing_at_all() -> None:
    cluster = FakeCluster()
    cluster.topics = {"a": Topic("a", 3, 3)}
    changes = topics.plan([Topic("new", 1), Topic("a", 1)], topics.describe(cluster))
    with refused("topic-refused", ExitCode.FINDINGS) as caught:
        topics.apply(cluster, changes)
    assert cluster.topics == {"a": Topic("a", 3, 3)}
    assert "Kafka cannot take partitions away (3 → 1)" in str(caught.value.context)
    assert "./invoke topics delete a" in str(caught.value.hint)


def test_a_key_that_kafka_does_not_know_is_the_files_mistake() -> None:
    cluster = FakeCluster()
    cluster.topics = {"a": Topic("a", 3, 3)}
    changes = topics.plan([Topic("a", 3, -1, {"retenion.ms": "1"})], topics.describe(cluster))
    with refused("topic-config", ExitCode.USAGE) as caught:
        topics.apply(cluster, changes)
    assert "retenion.ms" in str(caught.value.context)


def test_describes_only_what_is_asked_for_and_set_on_the_topic() -> None:
    cluster = FakeCluster()
    assert topics.describe(cluster) == {}
    cluster.topics = {"a": Topic("a", 2, 3, {"cleanup.policy": "compact"}), "b": Topic("b", 1, 3)}
    assert topics.describe(cluster, ["a", "c"]) == {"a": Topic("a", 2, 3, {"cleanup.policy": "compact"})}
    assert set(topics.describe(cluster)) == {"a", "b"}


def test_creating_twice_and_deleting_nothing_are_told() -> None:
    cluster = FakeCluster()
    topics.create(cluster, Topic("a", 1))
    with refused("topic-exists", ExitCode.USAGE):
        topics.create(cluster, Topic("a", 1))
    topics.delete(cluster, "a")
    with refused("no-such-topic", ExitCode.USAGE) as caught:
        topics.delete(cluster, "a")
    assert caught.value.hint == "./invoke topics list"


def test_what_this_cluster_does_not_make_is_told_in_the_brokers_words() -> None:
    with refused("topic-refused", ExitCode.FINDINGS) as caught:
        topics.create(FakeCluster(), Topic("a", 1, 9))
    assert caught.value.context == "3 brokers, not 9"


@pytest.mark.parametrize(
    ("topic", "reference", "words"),
    [
        (Topic("a b", 1), "topic-name", "has ' '"),
        (Topic("..", 1), "topic-name", "'..'"),
        (Topic("", 1), "topic-name", "needs a name"),
        (Topic("x_y", 1), "topic-name", "x.y"),
        (Topic("a", 1, -1, {"segment.bytes": "1"}), "topic-config", "wants 1048576 or more"),
        (Topic("a", 0), "topic-config", "partitions is a number from 1, not 0"),
        (Topic("a", 2**31), "topic-config", "partitions is a number from 1"),
        (Topic("a", 1, -2), "topic-config", "replicas is a number from 1, not -2"),
    ],
)
def test_a_topic_that_kafka_would_refuse_is_not_sent(topic: Topic, reference: str, words: str) -> None:
    cluster = FakeCluster()
    cluster.topics = {"x.y": Topic("x.y", 1, 3)}
    with refused(reference, ExitCode.USAGE) as caught:
        topics.create(cluster, topic)
    assert words in f"{caught.value.message} {caught.value.context}"
    assert set(cluster.topics) == {"x.y"}
