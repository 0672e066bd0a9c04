"""topics.yml, and the contracts and connectors that name its topics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.events.connectors import files as connectors
from backbone.events.contracts import repository as contracts
from backbone.lint.output import fix
from backbone.lint.rules import topics_as_code
from backbone.stack import topics
from tests.lint.conftest import Lint, codes, excerpts

if TYPE_CHECKING:
    from backbone.lint.run import Outcome

TOPICS = topics_as_code.TOPICS.as_posix()
RULES = ("KC70",)


def files(text: str, **others: str) -> dict[str, str]:
    return {"docker-compose.yml": "services: {web: {image: 'x:1.2.3'}}\n", TOPICS: text, **others}


def test_the_places_are_those_of_the_tasks() -> None:
    assert topics_as_code.TOPICS == topics.FILE
    assert topics_as_code.CONTRACTS == contracts.FOLDER
    assert topics_as_code.CONNECTORS == connectors.FOLDER


@pytest.mark.parametrize(
    ("text", "found", "fixed"),
    [
        ("topics: [{name: a, partitions: '3'}]\n", ["'3'"], "topics: [{name: a, partitions: 3}]\n"),
        (
            "topics: [{name: a, partitions: 3, config: {retention.ms: 1000}}]\n",
            ["1000"],
            'topics: [{name: a, partitions: 3, config: {retention.ms: "1000"}}]\n',
        ),
        (
            "topics: [{name: a, partitions: 3, config: {retenton.ms: '1'}}]\n",
            ["retenton.ms"],
            "topics: [{name: a, partitions: 3, config: {retention.ms: '1'}}]\n",
        ),
        ("topics: [{name: a, partitions: 3, config: {no.such: '1'}}]\n", ["no.such"], None),
        ("topics: [{name: a, partitions: 3}, {name: a, partitions: 1}]\n", ["a"], None),
        ("topics: [{name: a, partitions: 0}]\n", ["0"], None),
        ("topics: [{name: a, partitions: 3, replica: 3}]\n", ["{name: a, partitions: 3, replica: 3}"], None),
        ("topics: [{name: 2026-99-99, partitions: 3}]\n", [""], None),
        ("topics: 3\n", ["3"], None),
        ("- 3\n", ["- 3"], None),
        ("topics: [\n", [""], None),
        ("", [""], None),
        ("topics: [{name: a, partitions: 3, config: {retention.ms: '1', cleanup.policy: compact}}]\n", [], None),
    ],
)
def test_a_fault_in_the_topics_is_told_where_it_is(text: str, found: list[str], fixed: str | None, lint: Lint) -> None:
    outcome = lint(files(text), select=RULES)
    assert (codes(outcome), excerpts(outcome)) == (["KC702"] * len(found), found)
    assert not outcome.result.crashes
    assert [change.after for change in fix.plan(outcome.result, outcome.project)] == [fixed] * (fixed is not None)


def contract(topic: str, **others: str) -> str:
    keys = {"topic": topic, "key": "id", "owner": "orders team", "compatibility": "FULL", **others}
    return "".join(f"{key}: {value}\n" for key, value in keys.items())


def sink(config: str) -> str:
    return f"doc: Keeps every order.\nconfig: {{connector.class: org.example.Sink, tasks.max: '1', {config}}}\n"


def named(outcome: Outcome) -> list[tuple[str, str]]:
    return [(judged.rule.code, judged.finding.message.split()[-6].rstrip(",")) for judged in outcome.result.findings]


def test_topics_that_nobody_makes_are_told_of_contracts_and_connectors(lint: Lint) -> None:
    others = {
        "schemas/contracts/a-value/contract.yml": contract("a"),
        "schemas/contracts/b-value/contract.yml": contract("b"),
        "infra/05-messaging/connect/connectors/sink.yml": sink(
            "topics: 'a, c', errors.deadletterqueue.topic.name: a.dead"
        ),
        "infra/05-messaging/connect/connectors/regex.yml": sink("topics.regex: 'z.*'"),
    }
    known = files("topics: [{name: a, partitions: 3}]\n", **others)
    outcome = lint(known, select=RULES)
    assert sorted(named(outcome)) == [("KC703", "b"), ("KC704", "a.dead"), ("KC704", "c")]
    del known[TOPICS]
    (outcome.project.directory / TOPICS).unlink()
    assert codes(lint(known, select=RULES)) == []


@pytest.mark.parametrize("text", ["", "[", "- 1\n", "topic: [a]\n", "config: 3\n", "config: {topics: [a]}\n"])
def test_files_that_are_something_else_crash_nothing(text: str, lint: Lint) -> None:
    others = {
        "schemas/contracts/a-value/contract.yml": text,
        "infra/05-messaging/connect/connectors/sink.yml": text,
    }
    outcome = lint(files("topics: [{name: a, partitions: 3}]\n", **others), select=RULES)
    assert (set(codes(outcome)), outcome.result.crashes) == ({"KC705"}, ())


@pytest.mark.parametrize(
    ("place", "text", "found", "fixed"),
    [
        ("schemas/contracts/a-value/contract.yml", contract("a", owner="3"), ["3"], contract("a", owner='"3"')),
        ("schemas/contracts/a-value/contract.yml", contract("a", compatibility="ALL"), ["ALL"], None),
        ("schemas/contracts/a-value/contract.yml", contract("a", owners="x"), [""], None),
        ("schemas/requirements.yml", "requirements: [{id: REQ-A-1}]\n", ["REQ-A-1", "{id: REQ-A-1}"], None),
        ("schemas/requirements.yml", "requirements:\n- id: x\n  - y\n", [""], None),
        (
            "infra/05-messaging/security/access.yml",
            "users: {app: {login: password, may: [{do: [reed], topics: [a]}]}}\n",
            ["reed"],
            None,
        ),
        (
            "infra/05-messaging/connect/connectors/sink.yml",
            sink("topics: a, batch.size: 100"),
            ["100"],
            sink('topics: a, batch.size: "100"'),
        ),
        (
            "infra/05-messaging/connect/connectors/sink.yml",
            "doc: Keeps every order.\n",
            ["doc: Keeps every order."],
            None,
        ),
    ],
)
def test_a_fault_in_another_of_our_files_is_told_where_it_is(
    place: str, text: str, found: list[str], fixed: str | None, lint: Lint
) -> None:
    outcome = lint(files("topics: [{name: a, partitions: 3}]\n", **{place: text}), select=RULES)
    assert {*codes(outcome)} == {"KC705"}
    assert sorted(excerpts(outcome)) == sorted([*found, *found[1:] * 2] if "requirements: [" in text else found)
    assert [change.after for change in fix.plan(outcome.result, outcome.project)] == [fixed] * (fixed is not None)


def test_a_password_in_a_connector_file_is_told_and_not_quoted(lint: Lint) -> None:
    others = {"infra/05-messaging/connect/connectors/sink.yml": sink("topics: a, db.password: tr0ub4dor")}
    outcome = lint(files("topics: [{name: a, partitions: 3}]\n", **others), select=RULES)
    (judged,) = outcome.result.findings
    assert "a reference such as ${secrets:secrets:NAME} has to stand here" in judged.finding.message
    assert "tr0ub4dor" not in repr(outcome.result) + outcome.project.quoted(judged.finding.at.path)


def test_files_of_another_layout_are_not_ours(lint: Lint) -> None:
    other = {"docker-compose.yml": "services: {web: {image: 'x:1.2.3'}}\n", "schemas/requirements.yml": "kafka: 3\n"}
    assert codes(lint(other, select=RULES)) == []


@pytest.mark.parametrize(
    ("may", "found"),
    [
        ("{do: [read, all], topics: [orders, '*']}", ["all"]),
        ("{do: [all], groups: ['*'], transactional_ids: ['*']}", ["all", "all"]),
        ("{do: [alter, describe], cluster: true}", ["alter"]),
        ("{do: [all], topics: [orders-*, 'true'], groups: [orders*]}", []),
        ("{do: [read, write, describe], topics: ['*'], groups: ['*']}", []),
        ("{do: [describe, create, cluster_action], cluster: true}", []),
        ("{do: all, topics: '*'}", ["all"]),
        ("{topics: ['*']}", []),
        ("[all]", []),
    ],
)
def test_who_may_do_everything_is_told_where_it_is_said(may: str, found: list[str], lint: Lint) -> None:
    access = f"users:\n  app:\n    login: password\n    may:\n      - {may}\n"
    outcome = lint(files("topics: []\n", **{topics_as_code.ACCESS.as_posix(): access}), select=("KC706",))
    assert (codes(outcome), excerpts(outcome)) == (["KC706"] * len(found), found)
    assert not outcome.result.crashes
