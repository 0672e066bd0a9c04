"""A team's folder as it is: several documents in a file, remains of Helm, old versions, users that cannot be taken."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from backbone.security import access as rules
from backbone.stack.topics import Topic
from backbone.strimzi import access, intake, manifest
from backbone.strimzi.model import Acl, User

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.strimzi.intake import Intake

TOPICS = """# a team's file
apiVersion: v1
kind: Namespace
metadata: {name: kafka}
---
---
apiVersion: kafka.strimzi.io/v1beta2
kind: KafkaTopic
metadata: {name: orders, labels: &l {strimzi.io/cluster: c}}
spec: {topicName: Orders.V1, partitions: 6, config: &c {cleanup.policy: compact}}
other: {labels: *l, config: *c}
--- # of another environment
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {name: copy}
spec: {topicName: Orders.V1}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {name: orders-v1}
spec: {topicName: Orders_V1}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {name: "{{ .Release.Name }}-x"}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {name: {{ .Values.topic }}}
---
{"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaTopic", "metadata": {"name": "json"}, "spec": {"partitions": "12"}}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {name: half}
spec: {partitions: many}
---
apiVersion: example.org/v1
kind: KafkaTopic
metadata: {name: other}
"""

USERS = """
- metadata: {name: team-a}
  spec:
    authentication: {type: scram-sha-512}
    quotas: {producerByteRate: 1}
    authorization:
      type: simple
      acls:
      - {resource: {type: topic, name: orders, patternType: prefix}, operation: Read}
      - {resource: {type: topic, name: "all*", patternType: literal}, operations: [Write]}
      - {resource: {type: topic, name: near}, operations: [Read], host: 10.0.0.1}
      - {resource: {type: cluster}, operations: [Describe]}
- {metadata: {name: Team.B}, spec: {authentication: {type: tls}}}
- {metadata: {name: kafka-1}, spec: {authentication: {type: tls}}}
- {metadata: {name: nobody}, spec: {}}
- {metadata: {name: ext}, spec: {authentication: {type: tls-external}}}
- {metadata: {name: opa}, spec: {authentication: {type: tls}, authorization: {type: opa}}}
- metadata: {name: reed}
  spec:
    authentication: {type: tls}
    authorization: {acls: [{resource: {type: topic, name: a}, operations: [Reed]}]}
- {metadata: {name: text}, spec: {authentication: {type: tls}, authorization: {acls: lots}}}
"""

CONNECTORS = """
- {metadata: {name: ../../out}, spec: {class: org.x.Sink, config: {topics: a}}}
- {metadata: {name: sink}, spec: {class: org.x.Sink, pause: true, config: {topics: a}}}
"""


def listed(kind: str, text: str) -> str:
    items = [{"apiVersion": "kafka.strimzi.io/v1", "kind": kind, **each} for each in yaml.safe_load(text)]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})


@pytest.fixture
def team(tmp_path: Path) -> Path:
    folder = tmp_path / "team"
    (folder / "templates").mkdir(parents=True)
    (folder / "topics.yaml").write_text(TOPICS, encoding="utf-8")
    (folder / "users.yml").write_text(listed("KafkaUser", USERS), encoding="utf-8")
    (folder / "connectors.yaml").write_text(listed("KafkaConnector", CONNECTORS), encoding="utf-8")
    (folder / "templates" / "all.yaml").write_text("spec: {{- toYaml .Values | nindent 2 }}\n", encoding="utf-8")
    (folder / "values.yaml").write_text("topic: x\n", encoding="utf-8")
    (folder / "note.yml").write_text("only words\n", encoding="utf-8")
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe")
    (folder / "kustomization.yaml").write_text("resources: [topics.yaml]\nkind: Kustomization\n", encoding="utf-8")
    (folder / "gone.yaml").symlink_to("/nowhere")
    os.mkfifo(folder / "fifo.yaml")
    return folder


def taken(folder: Path) -> Intake:
    return intake.read(*manifest.read_what_can_be(folder))


def test_what_can_be_read_is_read_and_each_other_thing_has_its_reason(team: Path) -> None:
    found = taken(team)
    assert found.topics == (Topic("Orders.V1", 6, -1, {"cleanup.policy": "compact"}), Topic("json", 12, -1, {}))
    orders = Acl("topic", "orders", ("Read",), "prefix")
    assert found.users == (User("team-a", "scram-sha-512", (orders, Acl("cluster", "kafka-cluster", ("Describe",)))),)
    assert [each.name for each in found.connectors] == ["sink"]
    told = {(each.what, each.instead.split(":")[0]) for each in found.left_out}
    unread = {(name, "cannot be read") for name in ("topics.yaml", "templates/all.yaml", "note.yml", "bytes.yaml", "gone.yaml", "fifo.yaml")}  # fmt: skip  # noqa: E501
    assert unread <= told
    whole = "\n".join(f"{each.what}: {each.instead}" for each in found.left_out)
    for words in (
        "Namespace kafka: nothing here is in a namespace",
        "KafkaTopic copy: another KafkaTopic was read for Orders.V1",
        "KafkaTopic orders-v1: Orders_V1 and Orders.V1 cannot both be",
        "KafkaTopic half: cannot be read",
        "KafkaTopic other: apiVersion example.org/v1",
        "team-a: quotas",
        "allow topic all*: access.yml takes a *",
        "allow topic near: for the host 10.0.0.1",
        "Team.B",
        "kafka-1",
        "nobody: authentication None",
        "ext: authentication tls-external",
        "opa: authorization opa",
        'reed: $.users.reed.may[0].do[0]: "reed"',
        "text: cannot be read",
        "../../out: metadata.name",
        "sink: paused",
        "values.yaml: no kind: it is no resource",
    ):
        assert words in whole
    assert "kustomization" not in whole


def test_a_rule_is_left_out_with_the_one_that_cuts_into_it() -> None:
    secret = Acl("topic", "orders.secret", ("Read",), kind="deny")
    wide = Acl("topic", "orders.", ("Read", "Write"), "prefix")
    every = Acl("topic", "*", ("All",))
    plain = Acl("topic", "orders.secret", ("Describe",))
    group = Acl("group", "orders.secret", ("Read",))
    user, told = access.taken(User("a", "tls", (wide, every, plain, group, secret)))
    assert user.acls == (plain, group)
    assert [each.split(":")[0] for each in told] == ["allow topic orders.", "allow topic *", "deny topic orders.secret"]
    assert "cuts into it" in told[0]


def test_the_stacks_own_services_stay_among_the_users(team: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = home / rules.FILE
    file.parent.mkdir(parents=True)
    registry = "{login: certificate, may: [{do: [read], topics: [journal]}]}"
    file.write_text(f"users: {{registry: {registry}, app: {{login: password, may: []}}}}", encoding="utf-8")
    (change,) = [each for each in intake.changes(taken(team), home) if each.path == rules.FILE]
    assert set(yaml.safe_load(change.after)["users"]) == {"team-a", "registry"}
    file.write_text("users: [no", encoding="utf-8")
    (change,) = [each for each in intake.changes(taken(team), home) if each.path == rules.FILE]
    assert set(yaml.safe_load(change.after)["users"]) == {"team-a"}
