"""KC001-KC005: what is said of files that cannot be loaded, and where."""

from __future__ import annotations

import re

import pytest

from backbone.lint.output import text as text_report
from tests.lint.conftest import Lint, codes, excerpts

GOOD = "services:\n  web:\n    image: nginx:1.29.3\n"


def test_every_departure_from_the_schema_is_told_at_its_own_place(lint: Lint) -> None:
    outcome = lint(
        "services:\n  web:\n    imgae: x\n    ports: 80\n    healthcheck: {test: 5, intervall: 3s}\n"
        "    depends_on: {db: {condition: healthy}}\nvolums: {}\n",
        select=("KC0",),
    )
    assert codes(outcome) == ["KC003"] * 6
    assert excerpts(outcome) == ["imgae", "80", "5", "intervall", "healthy", "volums"]
    helps = [judged.finding.help for judged in outcome.result.findings]
    assert helps[0] == "did you mean 'image'?"
    assert helps[3] == "did you mean 'interval'?"
    assert helps[5] == "did you mean 'volumes'?"


def test_a_departure_behind_an_alias_is_at_the_line_it_is_written(lint: Lint) -> None:
    outcome = lint("x-h: &h {tset: [NONE]}\nservices:\n  a: {image: 'x:1', healthcheck: *h}\n", select=("KC0",))
    assert excerpts(outcome) == ["tset"]
    assert outcome.result.findings[0].finding.service == "a"


@pytest.mark.parametrize(
    "body",
    [
        "healthcheck: {test: [CMD, 'true'], retries: '${R:-3}'}",
        "restart: no",
        "x-anything: {goes: [1, 2]}",
        "ulimits: {nofile: '${N:-5}'}",
        "ports: [22:22]",
        "environment: [A, B=1]",
        "command: null",
        "cpus: 0.5",
        "privileged: '${P:-false}'",
    ],
)
def test_what_compose_accepts_is_no_departure(body: str, lint: Lint) -> None:
    outcome = lint(f"{GOOD}    {body}\n", select=("KC0",))
    assert outcome.project.refusal == ""
    assert codes(outcome) == []


def test_reset_and_override_tags_are_understood(lint: Lint) -> None:
    outcome = lint(
        {
            "docker-compose.yml": GOOD + "    ports: ['1:1']\n    dns: 1.1.1.1\n",
            "docker-compose.override.yml": ("services:\n  web:\n    ports: !override ['2:2']\n    dns: !reset null\n"),
        },
        select=("KC0",),
    )
    assert codes(outcome) == []
    (port,) = outcome.project.services["web"].ports
    assert port.published == (2, 2)


def test_a_refusal_is_placed_where_compose_says(lint: Lint) -> None:
    outcome = lint("services:\n  web:\n    image: 'x:${V:?say V}'\n", select=("KC0",))
    assert codes(outcome) == ["KC004"]
    assert excerpts(outcome) == ["'x:${V:?say V}'"]
    assert "say V" in outcome.result.findings[0].finding.message


def test_when_compose_refuses_the_other_rules_are_told_as_not_run(lint: Lint) -> None:
    outcome = lint("services:\n  web:\n    image: x:1\n    depends_on: [api]\n")
    assert "KC004" in codes(outcome)
    assert {rule.code for rule in outcome.result.skipped} >= {"KC005", "KC601"}


def test_the_reason_comes_first_and_warnings_are_counted(lint: Lint) -> None:
    text = "services: {web: {image: 'x:${A}', command: '${B}', depends_on: [api]}}\n"
    (judged,) = lint(text, select=("KC004",)).result.findings
    assert re.match(r"Docker Compose refuses the project: service .*api", judged.finding.message)
    assert judged.finding.message.endswith(" (and 2 warnings)")


def test_a_project_without_a_model_is_never_clean(lint: Lint) -> None:
    outcome = lint("services: {web: {image: 'x:1', depends_on: [api]}}\n", select=("KC1",))
    assert not outcome.complete
    assert text_report.verdict(outcome.result, outcome.project).startswith("not judged")


def test_a_reason_already_told_is_not_told_again_by_compose(lint: Lint) -> None:
    assert codes(lint(GOOD + "    image: again\n", select=("KC0",))) == ["KC002"]


def test_both_places_of_a_duplicate_are_shown(lint: Lint) -> None:
    finding = lint(GOOD + "    image: again\n", select=("KC002",)).result.findings[0].finding
    assert (finding.at.line, finding.related[0].span.line) == (4, 3)


@pytest.mark.parametrize(
    ("written", "arrives", "severity"),
    [
        ("0755", "493", "warning"),
        ("2026-01-02", "2026-01-02 00:00:00 +0000 UTC", "warning"),
        ("1.50", "1.5", "info"),
    ],
)
def test_a_scalar_that_yaml_changes_is_flagged_with_what_arrives(
    written: str, arrives: str, severity: str, lint: Lint
) -> None:
    (judged,) = lint(f"{GOOD}    environment:\n      V: {written}\n", select=("KC005",)).result.findings
    assert judged.finding.at.line == 5
    assert repr(arrives) in judged.finding.message
    assert judged.severity.word == severity


@pytest.mark.parametrize("written", ["no", "'0755'", "8080", "true", "~", "22:22", "${X:-010}", "a b"])
def test_a_scalar_that_arrives_as_written_is_not(written: str, lint: Lint) -> None:
    assert codes(lint(f"{GOOD}    environment:\n      V: {written}\n", select=("KC005",))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("include: [docker-compose.yml]\n", "cycle"),
        ("services: []\n", "services must be a mapping"),
        ("[]\n", "mapping"),
    ],
)
def test_odd_projects_end_with_words(text: str, words: str, lint: Lint) -> None:
    outcome = lint(text, select=("KC0",))
    assert any(words in judged.finding.message for judged in outcome.result.findings)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("services: {web: {image: x, depends_on: [api]}}", "api"),
        ("services: {web: {image: x, depends_on: {api: {condition: service_started}}}}", "api"),
        ("services: {web: {image: x, networks: [front]}}", "front"),
        ('services: {web: {image: x, volumes: ["data:/d"]}}', '"data:/d"'),
        ("services: {web: {image: x, env_file: sub/gone.env}}", "sub/gone.env"),
        ("services: {web: {image: x, secrets: [s]}}", "s"),
        ("services: {web: {extends: {file: no.yml, service: q}}}", "no.yml"),
        ("services: {web: {extends: {service: q}}}", "q"),
        ("include: [gone.yml]", "gone.yml"),
        ("services: {web: {image: x, mem_limit: lots}}", "lots"),
        ("services: {web: {image: x, network_mode: host, networks: [default]}}", "network_mode"),
        ("services: {web: {hostname: h}}", "web"),
    ],
)
def test_a_refusal_points_at_what_compose_names(text: str, place: str, lint: Lint) -> None:
    outcome = lint(text + "\n", select=("KC0",))
    assert codes(outcome) == ["KC004"]
    assert excerpts(outcome) == [place]


def test_a_refused_env_file_is_shown_at_its_line(lint: Lint) -> None:
    outcome = lint({"docker-compose.yml": GOOD, ".env": "A=1\nB='never closed\n"}, select=("KC0",))
    assert codes(outcome) == ["KC004"]
    at = outcome.result.findings[0].finding.at
    assert (at.path.name, at.line, at.column) == (".env", 2, 3)
