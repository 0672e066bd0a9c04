"""What hides a finding: a comment beside it, a baseline, and a configuration in the project's own files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.lint import baseline, cli
from backbone.lint.model import Severity
from tests.lint.conftest import Lint, Write, codes

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.lint.run import Outcome

LATEST = "services:\n  a:\n    image: x:latest{}\n  b:\n    image: y:latest\n"
OURS = ("KC007", "KC506")


def places(outcome: Outcome) -> list[tuple[str, int]]:
    return [(judged.rule.code, judged.finding.at.line) for judged in outcome.result.findings]


@pytest.mark.parametrize(
    "comment",
    [
        "  # kafka-lint: ignore KC506 a throw-away demo",
        " #kafka-lint:ignore image-not-exact a throw-away demo",
        "  # kafka-lint: ignore kc506: a throw-away demo",
    ],
)
def test_a_comment_hides_what_begins_in_its_line(comment: str, lint: Lint) -> None:
    outcome = lint(LATEST.format(comment), select=OURS)
    assert places(outcome) == [("KC506", 5)]
    assert len(outcome.result.ignored) == 1
    assert places(lint(LATEST.format(comment), select=OURS, ignores=False)) == [("KC506", 3), ("KC506", 5)]


def test_a_comment_on_a_line_of_its_own_is_about_the_next_line(lint: Lint) -> None:
    text = LATEST.replace(
        "    image: y", "    # kafka-lint: ignore KC506 a throw-away demo\n    # (really)\n\n    image: y"
    )
    assert places(lint(text.format(""), select=OURS)) == [("KC506", 3)]


def test_one_comment_may_name_several_rules_and_each_must_hide_something(lint: Lint) -> None:
    comment = "  # kafka-lint: ignore KC506, KC303 a throw-away demo"
    outcome = lint(LATEST.format(comment), select=(*OURS, "KC303"))
    assert places(outcome) == [("KC007", 3), ("KC506", 5)]
    assert outcome.result.findings[0].finding.message == "this ignore of KC303 hides nothing"
    # A rule that does not run could have something to hide.
    assert places(lint(LATEST.format(comment), select=OURS)) == [("KC506", 5)]


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("  # kafka-lint: ignore KC506", "gives no reason"),
        ("  # kafka-lint: ignore KC506 ok", "gives no reason"),
        ("  # kafka-lint: ignore", "names no rule"),
        ("  # kafka-lint: ignore KC5060 a throw-away demo", "did you mean KC506?"),
        ("  # kafka-lint: ignore image-not-exat a throw-away demo", "did you mean image-not-exact?"),
    ],
)
def test_a_comment_that_cannot_hide_anything_is_an_error(comment: str, words: str, lint: Lint) -> None:
    outcome = lint(LATEST.format(comment), select=OURS)
    assert sorted(places(outcome)) == [("KC007", 3), ("KC506", 3), ("KC506", 5)]
    (judged,) = (judged for judged in outcome.result.findings if judged.rule.code == "KC007")
    assert words in judged.finding.message
    assert judged.severity is Severity.ERROR


def test_a_comment_in_another_file_hides_nothing_here(lint: Lint) -> None:
    files = {
        "docker-compose.yml": "include: [other.yml]\n" + LATEST.format("").replace("services", "# x\nservices"),
        "other.yml": "services:\n\n\n\n  c: {image: 'z:1.2.3'}  # kafka-lint: ignore KC506 a throw-away demo\n",
    }
    assert places(lint(files, select=OURS)) == [("KC506", 5), ("KC506", 7), ("KC007", 5)]


def test_a_file_full_of_comments_is_read_in_time(lint: Lint) -> None:
    text = LATEST.format("") + "# kafka-lint: ignore KC506 a throw-away demo\n" * 100_000
    assert ("KC506", 3) in places(lint(text, select=("KC506",)))


CONFIG = {
    "policy.toml": "",
    "kafka-lint.toml": "",
    "pyproject.toml": "tool.kafka-compose-lint.",
}


@pytest.mark.parametrize("name", CONFIG)
def test_three_files_have_the_same_keys_and_one_reader(name: str, lint: Lint) -> None:
    at = CONFIG[name]
    text = f'[{at}severity]\nKC506 = "error"\n[[{at}ignore]]\nrule = "KC506"\nservice = "a"\nreason = "a demo only"\n'
    text += f'[[{at}ignore]]\nrule = "KC303"\nreason = "nothing to hide"\n'
    outcome = lint({"docker-compose.yml": LATEST.format(""), name: text}, hygiene=False)
    assert [judged.path for judged in outcome.result.findings if judged.rule.code == "KC007"] == [name]
    assert ("KC007", 7) in places(outcome)
    assert [judged.finding.service for judged in outcome.result.findings if judged.severity is Severity.ERROR] == [
        "b",
        "",
    ]
    # What this repository calls a policy tells hygiene; a stranger's configuration has to ask for it.
    assert ("KC401" in codes(outcome)) == (name == "policy.toml")
    asked = f"[{at}rules]\nhygiene = {'false' if name == 'policy.toml' else 'true'}\n"
    outcome = lint({"docker-compose.yml": LATEST.format(""), name: asked}, hygiene=False)
    assert ("KC401" in codes(outcome)) == (name != "policy.toml")


@pytest.mark.parametrize("text", ["", "[project\n", "[tool.other]\nselect = 1\n", "# tool.kafka-compose-lint\n"])
def test_a_pyproject_of_other_tools_is_left_alone(text: str, lint: Lint) -> None:
    outcome = lint({"docker-compose.yml": LATEST.format(""), "pyproject.toml": text})
    assert outcome.project.foreign


@pytest.mark.parametrize("text", ["[tool.kafka-compose-lint]\nselct = 1\n", "[tool.kafka-compose-lint.rules]\nx = 1\n"])
def test_a_misspelt_key_of_ours_is_a_usage_error(text: str, lint: Lint) -> None:
    with pytest.raises(StackError) as caught:
        lint({"docker-compose.yml": LATEST.format(""), "pyproject.toml": text})
    assert (caught.value.reference, caught.value.exit_code) == ("policy-schema", ExitCode.USAGE)


@pytest.fixture
def folder(write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = write({"compose.yml": LATEST.format("")})
    monkeypatch.chdir(made)
    return made


def test_a_baseline_leaves_only_what_is_new(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--hygiene", "--write-baseline"]) is ExitCode.OK
    assert cli.main(["--hygiene", "--baseline"]) is ExitCode.OK
    capsys.readouterr()
    file = folder / "compose.yml"
    file.write_text("# moved\n" + LATEST.format("") + "  c:\n    image: z:latest\n", encoding="utf-8")
    assert cli.main(["--baseline", baseline.NAME, "--select", "KC506", "--json"]) is ExitCode.FINDINGS
    said = capsys.readouterr()
    assert [finding["service"] for finding in json.loads(said.out)["findings"]] == ["c"]
    assert said.err.splitlines()[-1] == "baseline: 2 known"


def test_a_baseline_tells_what_is_out_of_date(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--hygiene", "--write-baseline", "known.json"])
    (folder / "compose.yml").write_text("services:\n  a:\n    image: x:1\n", encoding="utf-8")
    assert cli.main(["--baseline", "known.json"]) is ExitCode.OK
    assert "0 known, 5 stale (KC401 compose.yml b; " in capsys.readouterr().err
    cli.main(["--baseline", "known.json", "--select", "KC4"])
    assert "stale" not in capsys.readouterr().err


def test_a_second_place_of_a_known_cause_is_new(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "compose.yml"
    file.write_text("services:\n  a:\n    image: ${TAG}\n", encoding="utf-8")
    cli.main(["--select", "KC303", "--write-baseline"])
    file.write_text("services:\n  new:\n    image: ${TAG}\n  a:\n    image: ${TAG}\n", encoding="utf-8")
    capsys.readouterr()
    assert cli.main(["--select", "KC303", "--baseline", "--json"]) is ExitCode.FINDINGS
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["line"], finding["also"]) == (3, [])


@pytest.mark.parametrize("text", [None, "services: {}\n", "[]", '{"version": 1}', '{"version": 2, "findings": []}'])
def test_what_is_no_baseline_is_neither_read_nor_overwritten(
    text: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "known"
    if text is not None:
        path.write_text(text, encoding="utf-8")
        assert cli.main(["--write-baseline", "known"]) is ExitCode.USAGE
        assert path.read_text(encoding="utf-8") == text
    assert cli.main(["--baseline", "known"]) is ExitCode.USAGE
    assert "no-baseline" in capsys.readouterr().err
