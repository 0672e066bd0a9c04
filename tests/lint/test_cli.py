"""`kafka-compose-lint`: the linter without the tasks around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode
from backbone.lint import cli
from scripts.tasks import lint as tasks

if TYPE_CHECKING:
    from pathlib import Path

TWICE = "services:\n  web:\n    image: x:1\n    image: x:2\n"


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that a hint names is this one, and gone after each test."""
    monkeypatch.setenv("BACKBONE_PROGRAM", "kafka-compose-lint")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yml").write_text(TWICE, encoding="utf-8")
    return tmp_path / "compose.yml"


@pytest.mark.parametrize("words", [[], ["compose.yml"], ["--project", "."], ["--select", "KC002", "--select", "KC1"]])
def test_judges_a_file_or_a_folder(file: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) is ExitCode.FINDINGS
    said = capsys.readouterr()
    assert f"{file.name}:4:5" in said.out
    assert "= more: kafka-compose-lint explain KC002" in said.out
    assert said.err.startswith("1 error")


def test_a_threshold_and_a_format_decide_as_in_the_task(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("services:\n  web:\n    image: x:latest\n", encoding="utf-8")
    assert cli.main([str(file), "--format", "json", "--hygiene"]) is ExitCode.FINDINGS
    capsys.readouterr()
    assert cli.main([str(file), "--format", "json", "--hygiene", "--fail-on", "error"]) is ExitCode.OK
    assert json.loads(capsys.readouterr().out)
    assert cli.main([str(file), "--fail-on", "never"]) is ExitCode.USAGE


def test_hygiene_of_a_foreign_project_is_one_line_unless_asked_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("services:\n  web:\n    image: x:latest\n", encoding="utf-8")
    assert cli.main([str(file)]) is ExitCode.OK
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["clean", "hygiene"]
    assert "KC401 healthcheck-missing 1" in said.err
    for words in (["--hygiene"], ["--select", "ALL"], ["--select", "KC4"]):
        assert cli.main([str(file), *words]) is ExitCode.FINDINGS
        said = capsys.readouterr()
        assert "KC401" in said.out
        assert "hygiene:" not in said.err
    (file.parent / "policy.toml").write_text("", encoding="utf-8")
    assert cli.main([str(file)]) is ExitCode.FINDINGS
    assert "KC401" in capsys.readouterr().out


def test_what_will_not_work_is_no_hygiene(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "services:\n  a: {image: 'x:1', ports: ['1:1']}\n  b: {image: 'x:1', ports: ['1:2']}\n"
    file.write_text(text, encoding="utf-8")
    assert cli.main([str(file)]) is ExitCode.FINDINGS
    assert "error[KC502" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reference"), [(["gone.yml"], "no-such-path"), (["--select", "KC9999"], "unknown-rule")]
)
def test_bad_input_is_a_sentence_and_json_if_asked(
    file: Path, words: list[str], reference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del file
    assert cli.main([*words, "--json"]) is ExitCode.USAGE
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["reference"] == reference
    assert reference in said.err


@pytest.mark.parametrize("words", [["--proj", "a"], ["explain"], ["--rate"]])
def test_a_wrong_command_line_is_a_usage_error(file: Path, words: list[str]) -> None:
    del file
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == ExitCode.USAGE


def test_explains_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "duplicate-key"]) is ExitCode.OK
    assert "KC002" in capsys.readouterr().out
    assert cli.main(["rules", "--json"]) is ExitCode.OK
    assert len(json.loads(capsys.readouterr().out)) > 50


@pytest.mark.parametrize("name", ["lint", "explain", "rules"])
def test_the_task_has_the_same_flags(name: str) -> None:
    task = {argument.name for argument in getattr(tasks, name).get_arguments()}
    actions = cli._parser(getattr(cli, name))._actions  # noqa: SLF001 - argparse has no public list of its flags
    assert {action.dest for action in actions} - {"help", "path", "version"} == task


def test_a_lint_imports_nothing_of_the_stack(file: Path) -> None:
    code = (
        "import sys; from backbone.lint import cli; cli.main(['--json']); "
        "print(*sorted({'rich', 'invoke', 'kafka', 'psutil', 'jsonschema', 'requests', 'jinja2'} & {*sys.modules}),"
        " file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=file.parent, env=env, check=False, capture_output=True)
    assert done.stderr.splitlines()[-1] == b""
