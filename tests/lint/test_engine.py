"""Selection, severities, ignores with reasons, and a rule that crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.lint import discovery, engine
from backbone.lint import run as lint_run
from backbone.lint.engine import Selection
from backbone.lint.model import Finding, Rule, Severity, rule
from tests.lint.conftest import Lint, Write, codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from backbone.lint.project import Project

TWICE = "services:\n  web:\n    image: x:1\n    image: x:2\n"
OCTAL = (
    "services:\n  web:\n    image: x:1\n    environment:\n      A: 010\n"
    "  api:\n    image: x:1\n    environment:\n      A: 010\n"
)


def test_a_crashing_rule_is_reported_and_the_others_still_speak(lint: Lint) -> None:
    def crash(project: Project) -> Iterator[Finding]:
        raise KeyError(project.directory)

    project = lint(TWICE).project
    known = engine.load_rules()
    broken = Rule("KC999", "crash", Severity.ERROR, crash, needs_model=False)
    rules = {"KC002": known["KC002"], "KC999": broken}
    result = engine.run(project, Selection(), rules)
    assert [judged.rule.code for judged in result.findings] == ["KC002"]
    assert [crash.code for crash in result.crashes] == ["KC999"]
    assert "KeyError" in result.crashes[0].detail


def test_time_that_is_up_leaves_out_rules_and_says_which(lint: Lint) -> None:
    ticks = iter(range(1_000))

    def endless(project: Project) -> Iterator[Finding]:
        while True:
            yield Finding(at=project.where(), message="again")

    known = engine.load_rules()
    rules = {
        "KC002": known["KC002"],
        "KC998": Rule("KC998", "endless", Severity.ERROR, endless),
        "KC003": known["KC003"],
    }
    project = lint("services: {a: {image: 'x:1'}}\n").project
    result = engine.run(project, Selection(), rules, deadline=100, now=lambda: next(ticks))
    assert [rule.code for rule in result.late] == ["KC998", "KC003"]
    assert result.ran == 1


def test_one_rule_may_be_chosen_by_code_beginning_or_name(lint: Lint) -> None:
    for word in ("KC002", "kc00", "duplicate-key"):
        assert codes(lint(TWICE, select=(word,))) == ["KC002"]
    assert codes(lint(TWICE, skip=("KC",))) == []


def test_an_unknown_rule_is_an_error_with_the_closest_name(lint: Lint) -> None:
    with pytest.raises(StackError) as caught:
        lint(TWICE, select=("duplicate-keys",))
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.hint == "did you mean duplicate-key?"


def test_an_ignore_hides_one_service_and_leaves_the_other(lint: Lint) -> None:
    policy = '[rules]\nselect = ["KC0"]\n[[ignore]]\nrule = "KC005"\nservice = "web"\nreason = "octal is meant"\n'
    outcome = lint({"docker-compose.yml": OCTAL, "policy.toml": policy})
    assert [judged.finding.service for judged in outcome.result.findings] == ["api"]
    assert [judged.finding.service for judged in outcome.result.ignored] == ["web"]


def test_an_ignore_that_hides_nothing_is_a_finding_at_its_line(lint: Lint) -> None:
    policy = '[rules]\nselect = ["KC0"]\n\n[[ignore]]\nrule = "KC002"\nreason = "generated file"\n'
    outcome = lint({"docker-compose.yml": "services: {a: {image: 'x:1'}}\n", "policy.toml": policy})
    (judged,) = outcome.result.findings
    assert (judged.rule.code, judged.path, judged.finding.at.line) == ("KC007", "policy.toml", 4)


def test_ignores_can_be_switched_off_to_audit_them(lint: Lint) -> None:
    policy = '[[ignore]]\nrule = "KC002"\nreason = "generated file"\n'
    outcome = lint({"docker-compose.yml": TWICE, "policy.toml": policy}, ignores=False, select=("KC002",))
    assert codes(outcome) == ["KC002"]


def test_a_path_confines_an_ignore_to_a_folder(lint: Lint) -> None:
    policy = '[[ignore]]\nrule = "KC002"\npath = "sub"\nreason = "generated file"\n'
    files = {"docker-compose.yml": "include: [sub/a.yml, suburb/b.yml]\n", "policy.toml": policy}
    files |= {"sub/a.yml": TWICE, "suburb/b.yml": TWICE.replace("web", "api")}
    outcome = lint(files, select=("KC002",))
    assert [judged.path for judged in outcome.result.findings] == ["suburb/b.yml"]


def test_the_policy_sets_severities_and_the_command_line_replaces_its_selection(lint: Lint) -> None:
    policy = '[rules]\nskip = ["KC002"]\n[severity]\nKC002 = "info"\n'
    files = {"docker-compose.yml": TWICE, "policy.toml": policy}
    assert "KC002" not in codes(lint(files))
    (judged,) = lint(files, select=("KC002",), skip=("KC003",)).result.findings
    assert judged.severity is Severity.INFO


@pytest.mark.parametrize(
    ("policy", "reference", "words"),
    [
        ("[rules\n", "policy-unreadable", "line 1"),
        ('[rules]\nselct = ["KC0"]\n', "policy-schema", "selct"),
        ('[rules]\nselect = ["KC999"]\n', "policy-rule", ""),
        ('[[ignore]]\nrule = "KC002"\n', "policy-schema", "reason"),
        ('[[ignore]]\nrule = "KC002"\nreason = "x"\n', "policy-schema", "ignore[0].reason"),
        ('[severity]\nKC002 = "fatal"\n', "policy-schema", "severity.KC002"),
        ("[require]\nbrokers = 0\n", "policy-schema", "require.brokers"),
    ],
)
def test_a_wrong_policy_is_a_usage_error(policy: str, reference: str, words: str, lint: Lint) -> None:
    with pytest.raises(StackError) as caught:
        lint({"docker-compose.yml": TWICE, "policy.toml": policy})
    assert caught.value.reference == reference
    assert words in (caught.value.context or "")
    assert caught.value.exit_code == ExitCode.USAGE


def test_two_rules_cannot_share_a_code_or_a_name() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        rule("KC002", "another-name", Severity.ERROR)(lambda _: ())
    with pytest.raises(ValueError, match="registered twice"):
        rule("KC998", "duplicate-key", Severity.ERROR)(lambda _: ())
    with pytest.raises(ValueError, match="kebab"):
        rule("KC998", "Not_Kebab", Severity.ERROR)


def test_identity_survives_moved_lines_and_other_words(lint: Lint) -> None:
    first = lint(TWICE, select=("KC002",)).result.findings[0].identity
    moved = lint("# a comment\n\n" + TWICE, select=("KC002",)).result.findings[0].identity
    other = lint(TWICE.replace("web", "api"), select=("KC002",)).result.findings[0].identity
    assert first == moved != other


@pytest.mark.parametrize("name", discovery.NAMES)
def test_each_name_that_compose_knows_is_found(name: str, write: Write) -> None:
    folder = write({name: TWICE})
    assert discovery.locate(folder, {}) == [folder / name]


def test_overrides_and_compose_file_are_taken_as_compose_takes_them(write: Write) -> None:
    folder = write({"compose.yml": TWICE, "compose.override.yml": TWICE, "other.yml": TWICE})
    assert discovery.locate(folder, {}) == [folder / "compose.yml", folder / "compose.override.yml"]
    assert discovery.locate(folder, {"COMPOSE_FILE": "other.yml"}) == [folder / "other.yml"]
    write({".env": "COMPOSE_FILE=other.yml:compose.yml\n"})
    assert discovery.locate(folder, {}) == [folder / "other.yml", folder / "compose.yml"]


def test_nothing_to_lint_says_where_it_looked(write: Write) -> None:
    folder = write({"sub/docker-compose.yml/x": ""})
    for place, reference, code in (
        (folder, "nothing-to-lint", ExitCode.NOTHING),
        (folder / "sub", "nothing-to-lint", ExitCode.NOTHING),
        (folder / "gone", "no-such-path", ExitCode.USAGE),
    ):
        with pytest.raises(StackError) as caught:
            discovery.locate(place, {})
        assert (caught.value.reference, caught.value.exit_code) == (reference, code)


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n"])
def test_an_empty_file_is_nothing_to_lint(text: str, lint: Lint) -> None:
    with pytest.raises(StackError) as caught:
        lint(text)
    assert caught.value.exit_code == ExitCode.NOTHING


def test_an_env_file_that_is_missing_is_a_usage_error(lint: Lint, write: Write) -> None:
    with pytest.raises(StackError, match="cannot read"):
        lint(TWICE, env_files=(write({}) / "gone.env",))


def test_the_given_profiles_are_the_ones_judged(lint: Lint) -> None:
    text = "services:\n  a: {image: 'x:1', profiles: [one]}\n  b: {image: 'x:1', profiles: [two]}\n"
    assert set(lint(text).project.services) == {"a", "b"}
    assert set(lint(text, profiles=("one",)).project.services) == {"a"}


def test_without_a_path_the_project_is_the_one_that_compose_would_take_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "project" / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "project" / "compose.yml").write_text("services: {web: {image: web}}\n", encoding="utf-8")
    assert discovery.nearest(below, {}) == tmp_path / "project"
    (below / "other.yml").touch()
    assert discovery.nearest(below, {"COMPOSE_FILE": "other.yml"}) == below
    monkeypatch.chdir(below)
    assert lint_run.run(lint_run.Request(None, environ={})).project.directory == tmp_path / "project"
    with pytest.raises(StackError, match="nor a folder above it has a Compose file") as caught:
        discovery.nearest(tmp_path, {})
    assert caught.value.exit_code is ExitCode.NOTHING
