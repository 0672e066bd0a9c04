"""A changed value is found wherever it is; what was exported comes back as it was."""

from __future__ import annotations

import copy
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from backbone.errors import StackError
from backbone.events.connectors.files import Connector
from backbone.stack import home, topic_rules
from backbone.stack import topics as topic_files
from backbone.stack.settings import Settings
from backbone.stack.topics import Topic
from backbone.strimzi import access, intake, manifest, parity, topics
from backbone.strimzi.manifest import Manifest, way
from backbone.strimzi.model import Acl, User, resource_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def leaves(value: Any, steps: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, (*steps, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, (*steps, number))
    else:
        yield steps, value


def changed(value: Any) -> Any:
    """Return a value with its first number changed."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), value, count=1)


def with_value(body: Mapping[str, Any], steps: tuple[Any, ...], value: Any) -> dict[str, Any]:
    other: Any = copy.deepcopy(dict(body))
    part = other
    for step in steps[:-1]:
        part = part[step]
    part[steps[-1]] = value
    return other  # type: ignore[no-any-return]


def test_any_number_of_an_export_that_is_changed_is_found_at_its_place(
    exports: Mapping[str, tuple[Manifest, ...]],
) -> None:
    count = 0
    for name in ("secure", "five brokers", "topics"):
        expected = exports[name]
        for number, each in enumerate(expected):
            for steps, value in leaves(each.body):
                if changed(value) == value:
                    continue
                other = replace(each, body=with_value(each.body, steps, changed(value)))
                found = parity.compare([*expected[:number], other, *expected[number + 1 :]], expected)
                # A changed name is another resource: one is there that should not be, one is missing.
                assert [(x.file, x.path) for x in found if x.path == way(steps)] or steps[-1] == "name", (each, steps)
                assert found[0].file == each.file
                count += 1
    assert count > 300


def test_a_missing_and_a_foreign_resource_are_found(exports: Mapping[str, tuple[Manifest, ...]]) -> None:
    expected = exports["default"]
    foreign = Manifest("topics/x.yaml", {"kind": "KafkaTopic", "metadata": {"name": "x"}, "spec": {"partitions": 1}})
    kept = [each for each in expected if each.kind != "KafkaNodePool"]
    found = parity.compare([*kept, foreign], expected)
    assert [(each.file, each.found, each.expected) for each in found] == [
        ("cluster/node-pools.yaml", "(nothing)", "KafkaNodePool dual-role"),
        ("topics/x.yaml", "KafkaTopic x", "(nothing)"),
    ]


def test_a_password_that_somebody_wrote_down_is_not_shown() -> None:
    def sink(password: str) -> Manifest:
        spec = {"config": {"connection.password": password}}
        return Manifest("c.yaml", {"kind": "KafkaConnector", "metadata": {"name": "c"}, "spec": spec})

    (found,) = parity.compare([sink("hunter2")], [sink("${secrets:/mnt/secrets:p}")])
    assert found.found == "(a value, not shown)"
    assert found.expected == "${secrets:/mnt/secrets:p}"


NAME = st.from_regex(r"[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,20}", fullmatch=True).filter(lambda name: name not in {".", ".."})
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "retention.ms": st.integers(-1, 2**63 - 1).map(str),
        "min.insync.replicas": st.sampled_from(["1", "2", "02"]),
        "cleanup.policy": st.sampled_from(["delete", "compact", "compact,delete"]),
        "min.cleanable.dirty.ratio": st.sampled_from(["0.5", "0.10", "1"]),
        "preallocate": st.booleans().map(lambda value: str(value).lower()),
        "compression.type": st.sampled_from(["zstd", "producer"]),
    },
)
TOPIC = st.builds(
    Topic,
    NAME.filter(lambda name: not topic_rules.memory(name)),
    st.integers(1, 1000),
    st.sampled_from([-1, 1, 2, 3]),
    CONFIG,
)
OPERATIONS = st.lists(st.sampled_from(["Read", "Write", "Describe", "All"]), min_size=1, unique=True).map(tuple)
ACL = st.builds(
    Acl,
    resource=st.sampled_from(["topic", "group", "transactionalId"]),
    name=NAME | st.just("*"),
    operations=OPERATIONS,
    pattern=st.sampled_from(["literal", "prefix"]),
    host=st.sampled_from(["*", "10.0.0.7"]),
    kind=st.sampled_from(["allow", "deny"]),
) | st.builds(Acl, resource=st.just("cluster"), name=st.just("kafka-cluster"), operations=OPERATIONS)
USER = st.builds(
    User,
    st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True).filter(lambda name: name != "admin"),
    st.sampled_from(["scram-sha-512", "tls"]),
    st.lists(ACL, max_size=4).map(tuple),
)


def written(manifests: list[Manifest]) -> list[Manifest]:
    """Return resources as they come back from their YAML."""
    return [Manifest(each.file, yaml.safe_load(manifest.text([each]))) for each in manifests]


def folded(name: str) -> str:
    return name.replace(".", "_")


@examples(max_examples=200)
@given(
    st.lists(TOPIC, min_size=1, max_size=6, unique_by=lambda topic: folded(topic.name)),
    st.lists(USER, max_size=3, unique_by=lambda user: user.name),
)
def test_topics_and_users_come_back_as_they_went(went: list[Topic], users: list[User]) -> None:
    resources = written([*topics.kafka_topics(went, "c", 3), *topics.kafka_users(users, "c")])
    assert len({(each.kind, each.name) for each in resources}) == len(went) + len(users)
    back = intake.read(resources)
    assert back.topics == tuple(went)
    assert [user.name for user in back.users] == [user.name for user in users]
    assert [acl for user in back.users for acl in user.acls] == [a for u in users for a in access.taken(u)[0].acls]
    assert len(back.left_out) == sum(len(access.taken(user)[1]) for user in users)


PREFIX = st.builds(lambda name, star: name + star, NAME, st.sampled_from(["", "*"]))
NAMES = st.lists(PREFIX, min_size=1, max_size=3, unique=True)
DO = st.lists(
    st.sampled_from(["read", "write", "describe_configs", "idempotent_write", "all"]), min_size=1, unique=True
)
MAY = st.one_of(
    *(st.fixed_dictionaries({"do": DO, key: NAMES}) for key in ("topics", "groups", "transactional_ids")),
    st.fixed_dictionaries({"do": DO, "cluster": st.just(True)}),  # noqa: FBT003 - a value of the file
    st.fixed_dictionaries({"do": DO, "topics": NAMES, "groups": NAMES}),
)
ACCESS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
    st.fixed_dictionaries({"login": st.sampled_from(["password", "certificate"]), "may": st.lists(MAY, max_size=4)}),
    min_size=1,
    max_size=4,
).map(lambda users: {"users": users})


@examples(max_examples=200)
@given(ACCESS)
def test_an_access_file_comes_back_as_it_went(went: dict[str, Any]) -> None:
    back = intake.read(written(list(topics.kafka_users(access.users(went), "c"))))
    with tempfile.TemporaryDirectory() as folder:
        home.write(Path(folder), intake.changes(back, Path(folder)))
        file = Path(folder) / access.FILE
        assert access.meaning(yaml.safe_load(file.read_text(encoding="utf-8"))) == access.meaning(went)
        file.write_text(yaml.safe_dump(went), encoding="utf-8")
        assert intake.changes(back, Path(folder)) == []


def test_a_star_alone_is_every_name_in_both() -> None:
    body = {"users": {"ui": {"login": "certificate", "may": [{"do": ["describe"], "topics": ["*"]}]}}}
    (ui,) = access.users(body)
    assert ui.acls == (Acl("topic", "*", ("Describe",), "literal"),)
    assert access.taken(ui) == (ui, [])
    assert access.body([ui]) == body


def test_a_rule_about_what_access_yml_does_not_have_is_left_out_with_its_reason() -> None:
    odd = Acl("delegationToken", "t", ("Describe",))
    user, (reason,) = access.taken(User("ui", "tls", (odd,)))
    assert user.acls == ()
    assert "access.yml has no delegationToken" in reason


def test_the_users_of_a_home_are_those_of_its_file_if_it_asks_for_a_login(tmp_path: Path) -> None:
    file = tmp_path / access.FILE
    file.parent.mkdir(parents=True)
    file.write_text("users: {app: {login: password, may: [{do: [read], topics: ['a*', b]}]}}", encoding="utf-8")
    (tmp_path / ".env").write_text("KAFKA_SECURITY=plaintext\n", encoding="utf-8")
    assert access.of_home(Settings(tmp_path, {})) == ()
    (app,) = access.of_home(Settings(tmp_path, {"KAFKA_SECURITY": "secure"}))
    assert app == User("app", "scram-sha-512", (Acl("topic", "a", ("Read",), "prefix"), Acl("topic", "b", ("Read",))))
    file.write_text("users: [app]", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        access.of_home(Settings(tmp_path, {"KAFKA_SECURITY": "secure"}))
    assert caught.value.reference == "access-invalid"


@examples(max_examples=50)
@given(st.lists(TOPIC, min_size=1, max_size=6, unique_by=lambda topic: folded(topic.name)))
def test_a_topics_file_comes_back_as_it_went(went: list[Topic]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        back = intake.read(written(list(topics.kafka_topics(went, "c", 3))))
        home.write(Path(folder), intake.changes(back, Path(folder)))
        assert topic_files.read(Path(folder) / topic_files.FILE) == tuple(went)
        assert intake.changes(back, Path(folder)) == []


def test_our_own_export_means_the_same_as_the_files_it_was_made_from(
    settings: Settings, exports: Mapping[str, tuple[Manifest, ...]]
) -> None:
    assert intake.changes(intake.read(exports["default"]), settings.root) == []


def test_a_foreign_folder_is_read_and_what_is_left_out_is_listed(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(
        """
apiVersion: v1
kind: List
items:
  - {apiVersion: kafka.strimzi.io/v1beta2, kind: KafkaTopic, metadata: {name: t1},
     spec: {topicName: T_1, partitions: 6, replicas: 5, config: {cleanup.policy: [compact, delete]}}}
  - {apiVersion: kafka.strimzi.io/v1, kind: KafkaTopic, metadata: {name: wrong}, spec: {config: {retention.sm: 1}}}
  - {apiVersion: kafka.strimzi.io/v1, kind: KafkaUser, metadata: {name: u},
     spec: {authentication: {type: tls-external}}}
  - {apiVersion: kafka.strimzi.io/v1, kind: KafkaUser, metadata: {name: broken}, spec: {authentication: {type: tls},
     authorization: {type: simple, acls: [{operations: [Read]}]}}}
  - {apiVersion: kafka.strimzi.io/v1, kind: KafkaConnector, metadata: {name: c}, spec: {class: org.x.Sink,
     config: {connection.password: hunter2}}}
  - {apiVersion: kafka.strimzi.io/v1, kind: KafkaConnector, metadata: {name: d}, spec: {class: org.x.Sink,
     tasksMax: 3, autoRestart: {enabled: true}, config: {topics: a, batch.size: 5}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
""",
        encoding="utf-8",
    )
    found = intake.read(manifest.read(tmp_path))
    assert found.topics == (Topic("T_1", 6, -1, {"cleanup.policy": "compact,delete"}),)
    config = {"connector.class": "org.x.Sink", "tasks.max": "3", "topics": "a", "batch.size": "5"}
    assert found.connectors == (Connector("d", "Read from the KafkaConnector d.", optional=False, config=config),)
    assert found.users == ()
    told = "\n".join(f"{each.what}: {each.instead}" for each in found.left_out)
    for words in ("replicas 5", "retention.sm", "tls-external", "KafkaUser broken", "autoRestart", "Deployment web"):
        assert words in told
    assert "hunter2" not in told


def test_names_that_fold_into_one_stay_two() -> None:
    assert len({resource_name(name) for name in ("A_b", "a_b", "a-b", "A-b", "a.b", "a..b", "_", "-", "..b")}) == 9
    assert len(resource_name("X" * 249)) <= 253
