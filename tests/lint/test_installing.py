"""One line to install: the hook, the action, and the page that tells of them, tried as far as no network is needed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from backbone import resources
from backbone.errors import ExitCode
from backbone.lint import cli
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "lint-your-own-project.md").read_text(encoding="utf-8")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
ACTION = yaml.safe_load((ROOT / "actions" / "lint" / "action.yml").read_text(encoding="utf-8"))
CLEAN = "services: {web: {image: 'x:1.2.3'}}\n"
TWICE = "services:\n  web:\n    image: x:1\n    image: x:2\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[list[str]]:
    """Return the words of each of the linter's commands on the page, in order."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("kafka-compose-lint")]


def workflow() -> dict[str, Any]:
    """Return the job of the page that runs the action."""
    (job,) = (yaml.safe_load(block)["jobs"]["lint"] for block in blocks("yaml") if "actions/lint" in block)
    return cast("dict[str, Any]", job)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "compose.yml").write_text(CLEAN, encoding="utf-8")
    return tmp_path


def test_every_command_of_the_page_does_what_it_says(here: Path) -> None:
    assert len(commands()) >= 8
    ends = {shlex.join(words): cli.main(words) for words in commands()}
    assert {words: end for words, end in ends.items() if end is not ExitCode.OK} == {
        "compose.yml --hygiene": ExitCode.FINDINGS
    }
    assert (here / "kafka-lint-baseline.json").is_file()
    assert (here / "kafka-compose-lint.xml").is_file()


def test_the_configuration_on_the_page_is_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = blocks("toml")
    (here / "kafka-lint.toml").write_text(text, encoding="utf-8")
    assert cli.main(["--skip", "KC007"]) is ExitCode.OK
    example = next(block for block in blocks("yaml") if block.startswith("services:"))
    (here / "compose.yml").write_text(example, encoding="utf-8")
    (here / "kafka-lint.toml").unlink()
    assert cli.main(["--select", "KC506,KC007"]) is ExitCode.OK
    assert "1 ignored" in capsys.readouterr().err


def test_everything_on_the_page_can_be_pasted() -> None:
    assert not re.search(r"OWNER|YOUR-|<[a-z-]+>", PAGE)
    assert set(re.findall(r"messaging-backbone==([\w.]+)", PAGE)) == {resources.version()}
    (checkout,) = (step["with"] for step in workflow()["steps"] if "repository" in step.get("with", {}))
    assert checkout["ref"] == f"v{resources.version()}"


def test_the_hook_of_the_page_is_the_one_that_is_published(here: Path) -> None:
    (hook,) = HOOKS
    (repository,) = (each for block in blocks("yaml") if "hooks:" in block for each in yaml.safe_load(block)["repos"])
    (named,) = repository["hooks"]
    assert repository["repo"] == "local"
    assert {key: value for key, value in hook.items() if key not in ("description", "args")} == {
        key: value for key, value in named.items() if key not in ("additional_dependencies", "args")
    }
    assert hook["entry"] == "kafka-compose-lint"
    assert cli.main(hook["args"]) is ExitCode.OK
    assert cli.main(named["args"]) is ExitCode.OK
    (here / "compose.yml").write_text(TWICE, encoding="utf-8")
    assert cli.main(hook["args"]) is ExitCode.FINDINGS
    assert cli.main(named["args"]) is ExitCode.FINDINGS


def test_two_lines_are_enough_in_any_job(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (steps,) = (steps for block in blocks("yaml") if isinstance(steps := yaml.safe_load(block), list))
    install, lint = (step["run"] for step in steps)
    assert install == f"pip install messaging-backbone=={resources.version()}"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert cli.main(shlex.split(lint)[1:]) is ExitCode.OK
    (here / "compose.yml").write_text(TWICE, encoding="utf-8")
    assert cli.main(shlex.split(lint)[1:]) is ExitCode.FINDINGS


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("compose.yml", True),
        ("deploy/docker-compose.kafka.yaml", True),
        (".env", True),
        ("a/.env.example", True),
        ("kafka-lint.toml", True),
        ("pyproject.toml", True),
        ("deploy/kafka.env", True),
        (".env.prod", True),
        ("infra/kafka-docker-compose.yml", True),
        ("decompose.yml", False),
        ("compose.md", False),
        ("src/main.py", False),
    ],
)
def test_the_hook_runs_for_the_files_that_matter(name: str, *, meant: bool) -> None:
    assert bool(re.search(HOOKS[0]["files"], name)) == meant


def test_the_action_is_where_the_page_looks_for_it_and_has_what_is_asked_of_it() -> None:
    *_, checkout, step = workflow()["steps"]
    place = step["uses"].removeprefix(f"./{checkout['with']['path']}/")
    assert (ROOT / place / "action.yml").is_file()
    assert checkout["with"]["repository"].startswith("${{ vars.")
    assert step["with"].keys() <= ACTION["inputs"].keys()
    assert all(re.search(r"@[0-9a-f]{40}$", each["uses"]) for each in ACTION["runs"]["steps"] if "uses" in each)
    # What somebody else writes is never part of a script.
    assert all("${{" not in each.get("run", "") for each in ACTION["runs"]["steps"])


@pytest.mark.parametrize(
    ("text", "args", "code", "reported"),
    [
        (CLEAN, "", 0, True),
        (TWICE, "--fail-on error", 1, True),
        (TWICE, "--fail-on $(touch made)", 2, False),
        ("", "", 3, False),
    ],
)
def test_the_action_reports_before_it_fails(text: str, args: str, code: int, here: Path, *, reported: bool) -> None:
    program = here / "bin" / "kafka-compose-lint"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n" + RUN, encoding="utf-8")
    program.chmod(0o755)
    (here / "a b").mkdir()
    (here / "a b" / "compose.yml").write_text(text, encoding="utf-8")
    environ = {"LINT_PATHS": "a b\n\n", "LINT_ARGS": args, "LINT_SARIF": "found.sarif"}
    environ |= {"GITHUB_OUTPUT": str(here / "output"), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", str(ROOT / "actions" / "lint" / "lint.sh")], cwd=here, env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0
    said = dict(line.split("=", 1) for line in (here / "output").read_text(encoding="utf-8").splitlines())
    assert said == {"exit-code": str(code), **({"sarif": "found.sarif"} if reported else {})}
    if reported:
        log = json.loads((here / "found.sarif").read_text(encoding="utf-8"))
        assert len(log["runs"][0]["results"]) == (text == TWICE)
    assert not (here / "made").exists()


RUN = "from backbone.lint.cli import main\nsys.exit(main())\n"


def test_the_descriptor_counts_what_the_linter_says(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (linter,) = next(yaml.safe_load(block) for block in blocks("yaml") if "descriptor_id" in block)["linters"]
    (here / "compose.yml").write_text(TWICE, encoding="utf-8")
    assert cli.main([*linter["cli_lint_extra_args"], "--format", "text"]) is ExitCode.FINDINGS
    match = re.search(linter["cli_lint_errors_regex"], capsys.readouterr().err)
    assert match is not None
    assert match[1] == "1"
    sarif = [word.replace("{{SARIF_OUTPUT_FILE}}", "made.sarif") for word in linter["cli_sarif_args"]]
    cli.main([*linter["cli_lint_extra_args"], *sarif])
    assert (here / "made.sarif").is_file()
