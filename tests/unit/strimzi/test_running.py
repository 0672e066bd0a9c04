"""What a cluster allows, as the users of an export: as the file has it where both agree, and as it is where not."""

from __future__ import annotations

from backbone.security.access import Rule
from backbone.strimzi.access import as_running
from backbone.strimzi.model import Acl, User

APP = User(
    "app",
    "scram-sha-512",
    (Acl("topic", "orders.", ("Read", "DescribeConfigs"), "prefix"), Acl("transactionalId", "app", ("Write",))),
)
SINK = User("sink", "tls", (Acl("cluster", "kafka-cluster", ("Describe",)),))
RULES = (
    Rule("app", "topic", "orders.", "prefixed", "read"),
    Rule("app", "topic", "orders.", "prefixed", "describe_configs"),
    Rule("app", "transactional_id", "app", "literal", "write"),
    Rule("sink", "cluster", "kafka-cluster", "literal", "describe"),
)


def test_a_cluster_that_has_what_the_file_says_is_the_file() -> None:
    assert as_running((APP, SINK), reversed(RULES), {"app"}) == (APP, SINK)


def test_a_rule_that_is_not_in_force_is_missing_and_one_beyond_the_file_is_there() -> None:
    found = (*RULES[1:], Rule("app", "group", "app", "literal", "read"))
    ((app, _)) = as_running((APP, SINK), found, {"app"})
    assert app.acls == (
        Acl("topic", "orders.", ("DescribeConfigs",), "prefix"),
        APP.acls[1],
        Acl("group", "app", ("Read",)),
    )
    assert as_running((SINK,), (), ())[0].acls == ()


def test_who_has_no_password_is_not_let_in_and_a_stranger_with_rules_is_told() -> None:
    found = (*RULES, Rule("guest", "topic", "*", "literal", "read"), Rule("robot", "topic", "*", "literal", "read"))
    users = as_running((APP, SINK), found, {"guest"})
    assert [(each.name, each.authentication) for each in users] == [
        ("sink", "tls"),
        ("guest", "scram-sha-512"),
        ("robot", "tls"),
    ]
