from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType
from kafka.errors import InvalidRequestError, NoError, SecurityDisabledError

from backbone.errors import StackError
from backbone.security import access
from backbone.security.access import Change, Rule, User
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass
class Cluster:
    """Keeps ACLs as a broker does, as far as access.py asks; takes none on a resource called `broken`."""

    acls: list[ACL] = field(default_factory=list)
    disabled: bool = False

    def describe_acls(self, _filter: Any) -> tuple[list[ACL], type]:
        if self.disabled:
            raise SecurityDisabledError("No Authorizer is configured.")
        return list(self.acls), NoError

    def create_acls(self, acls: Sequence[ACL]) -> dict[str, list[Any]]:
        broken = [acl for acl in acls if acl.resource_pattern.resource_name == "broken"]
        self.acls += [acl for acl in acls if acl not in broken]
        return {"succeeded": [], "failed": [InvalidRequestError for _ in broken]}

    def delete_acls(self, filters: Sequence[ACL]) -> list[tuple[ACL, list[ACL], type]]:
        found = [(one, [acl for acl in self.acls if acl == one], NoError) for one in filters]
        self.acls = [acl for acl in self.acls if acl not in filters]
        return found


def write(folder: Path, body: object) -> Path:
    file = folder / "access.yml"
    file.write_text(yaml.safe_dump(body), encoding="utf-8")
    return file


def may(**what: object) -> dict[str, Any]:
    return {"users": {"app": {"login": "password", "may": [what]}}}


def test_a_name_is_itself_a_beginning_or_every_one(tmp_path: Path) -> None:
    file = write(tmp_path, may(do=["read", "describe"], topics=["orders", "orders.*", "*"]))
    (app,) = access.read(file)
    assert app.login == "password"
    assert set(app.rules) == {
        Rule("app", "topic", name, pattern, operation)
        for operation in ("read", "describe")
        for name, pattern in (("orders", "literal"), ("orders.", "prefixed"), ("*", "literal"))
    }


def test_every_kind_of_resource(tmp_path: Path) -> None:
    body = may(do=["write"], topics=["t"], groups=["g"], transactional_ids=["x*"], cluster=True)
    (app,) = access.read(write(tmp_path, body))
    assert list(map(str, app.rules)) == [
        "app: write on topic t",
        "app: write on group g",
        "app: write on transactional id x*",
        "app: write on cluster",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"users": []},
        {"users": {"app": {"login": "password"}}},
        {"users": {"app": {"login": "kerberos", "may": []}}},
        {"users": {"App": {"login": "password", "may": []}}},
        {"users": {"admin": {"login": "password", "may": []}}},
        {"users": {"kafka-1": {"login": "certificate", "may": []}}},
        may(do=["read"]),
        may(do=[], topics=["a"]),
        may(do=["reed"], topics=["a"]),
        may(topics=["a"]),
        may(do=["read"], topics=["a*b"]),
        may(do=["read"], topics=[""]),
        may(do=["read"], topic=["a"]),
        may(do=["read"], cluster=False),
    ],
)
def test_what_is_no_access_file_is_told(tmp_path: Path, body: object) -> None:
    with pytest.raises(StackError, match="access-file"):
        access.read(write(tmp_path, body))


def test_a_file_that_is_not_there_or_no_yaml_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="access-file"):
        access.read(tmp_path / "none.yml")
    (tmp_path / "bad.yml").write_text("users: {", encoding="utf-8")
    with pytest.raises(StackError, match="access-file"):
        access.read(tmp_path / "bad.yml")


def test_our_own_file_is_valid_and_gives_nobody_everything() -> None:
    users = access.read(ROOT / access.FILE)
    rules = [rule for user in users for rule in user.rules]
    assert {"app", "schema-registry", "kafka-connect"} <= {user.name for user in users}
    looks = ("describe", "describe_configs")
    assert not [rule for rule in rules if rule.operation == "all" or (rule.name == "*" and rule.operation not in looks)]


def test_the_plan_makes_the_cluster_what_the_file_says_and_no_more() -> None:
    one, two, old = (Rule("app", "topic", name, "literal", "read") for name in ("one", "two", "old"))
    users = [User("app", "password", (one, two))]
    cluster = Cluster()
    access.apply(cluster, [Change("allow", one), Change("allow", old)])
    changes = access.plan(users, access.describe(cluster))
    assert changes == (Change("allow", two), Change("revoke", old))
    access.apply(cluster, changes)
    assert sorted(access.describe(cluster)) == sorted([one, two])
    assert access.plan(users, access.describe(cluster)) == ()


def test_the_rules_of_a_lease_are_nobodys_to_plan() -> None:
    rules = [Rule(name, "topic", "x", "prefixed", "all") for name in ("lease-0123456789ab", "lease-of-mine")]
    assert access.plan([], rules) == (Change("revoke", rules[1]),)


def test_what_a_file_cannot_hold_is_left_alone() -> None:
    pattern = ResourcePattern(ResourceType.TOPIC, "t", ACLResourcePatternType.LITERAL)
    cluster = Cluster(
        [
            ACL("User:app", "10.0.0.1", ACLOperation.READ, ACLPermissionType.ALLOW, pattern),
            ACL("User:app", "*", ACLOperation.READ, ACLPermissionType.DENY, pattern),
            ACL("Group:app", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern),
        ]
    )
    assert access.plan([], access.describe(cluster)) == ()


def test_a_cluster_that_asks_nobody_is_told_apart() -> None:
    with pytest.raises(StackError, match="no-authorizer"):
        access.describe(Cluster(disabled=True))


def test_a_rule_that_the_broker_refuses_is_told() -> None:
    rules = [Rule("app", "topic", name, "literal", "read") for name in ("good", "broken")]
    cluster = Cluster()
    with pytest.raises(StackError, match="1 of 2 rules") as caught:
        access.apply(cluster, [Change("allow", rule) for rule in rules])
    assert caught.value.context == "InvalidRequestError"
    assert len(cluster.acls) == 1


def test_a_new_user_stands_in_the_file_beside_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "access.yml"
    file.write_text((ROOT / access.FILE).read_text(encoding="utf-8"), encoding="utf-8")
    before = {user.name for user in access.read(file)}
    access.add(file, "orders", ["orders*", "events-topic"])
    assert {user.name for user in access.read(file)} == before | {"orders"}
    (made,) = (user for user in access.read(file) if user.name == "orders")
    assert made.login == "password"
    assert access.Rule("orders", "topic", "orders", "prefixed", "write") in made.rules
    assert access.Rule("orders", "topic", "events-topic", "literal", "read") in made.rules
    assert access.Rule("orders", "group", "orders", "prefixed", "read") in made.rules
    whole = file.read_text(encoding="utf-8")
    for name, reference in (("orders", "user-exists"), ("Not A Name", "access-file"), ("admin", "access-file")):
        with pytest.raises(StackError, match=reference):
            access.add(file, name, ["x"])
    assert file.read_text(encoding="utf-8") == whole
