"""The actions that start a stack in other people's jobs, and the page that tells of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "in-your-ci.md").read_text(encoding="utf-8")
FOLDER = ROOT / "actions" / "stack"
ACTIONS = {name: yaml.safe_load((FOLDER / name / "action.yml").read_text(encoding="utf-8")) for name in (".", "down")}
STATES = [{"name": "kafka-1", "phase": "exited"}, {"name": "loki", "phase": "unavailable"}]
PROGRAM = """#!/usr/bin/env bash
echo "$*" >>"$CALLS"
case "$*" in
  "stacks --make"*) mkdir -p "$XDG_DATA_HOME/ci"; echo "$XDG_DATA_HOME/ci" ;;
  up*) exit "${UP_ENDS:-0}" ;;
  "env --format shell"*) echo "export KAFKA_BOOTSTRAP_SERVERS='a:1,b:2'"; echo "export SCHEMA_REGISTRY_URL=http://r" ;;
  "env --format github"*) echo "KAFKA_BOOTSTRAP_SERVERS=a:1,b:2" >>"$GITHUB_ENV" ;;
  "status --json") echo "$STATUS" ;;
  logs*) echo "what $2 said" ;;
esac
"""


@dataclass
class Job:
    """A job of a runner, with a program `backbone` that only says what it was asked."""

    folder: Path

    def run(self, verb: str, **given: str) -> None:
        for name in ("output", "env", "calls"):
            (self.folder / name).touch()
        program = self.folder / "messaging-backbone" / "bin" / "backbone"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(PROGRAM, encoding="utf-8")
        program.chmod(0o755)
        (program.parent / "python").unlink(missing_ok=True)
        (program.parent / "python").symlink_to(sys.executable)
        environ = {
            "PATH": os.environ["PATH"],
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_ENV": str(self.folder / "env"),
            "CALLS": str(self.folder / "calls"),
            "STATUS": json.dumps({"services": STATES}),
            "STACK_RUN": "",
            "STACK_PROFILES": "messaging",
            "STACK_HOME": "",
            "STACK_TIMEOUT": "9",
            **given,
        }
        subprocess.run(["bash", str(FOLDER / "stack.sh"), verb], cwd=self.folder, env=environ, check=True, timeout=60)

    def said(self, name: str) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._lines(name))

    @property
    def calls(self) -> list[str]:
        return self._lines("calls")

    def _lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text(encoding="utf-8").splitlines()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def blocks() -> list[Any]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_commands_have_the_addresses_and_the_stack_is_stopped_after_them(job: Job) -> None:
    job.run("start", STACK_RUN='echo "$KAFKA_BOOTSTRAP_SERVERS" >seen', STACK_PROFILES="messaging data")
    assert (job.folder / "seen").read_text(encoding="utf-8") == "a:1,b:2\n"
    assert "up --profile messaging --profile data --timeout 9" in job.calls
    assert job.calls[-1] == "down"
    assert job.said("output") == {
        "bootstrap": "a:1,b:2",
        "registry-url": "http://r",
        "postgres-url": "",
        "exit-code": "0",
    }
    assert job.said("env") == {}


def test_without_commands_it_stays_for_the_steps_that_follow(job: Job) -> None:
    job.run("start")
    home = job.folder / "messaging-backbone" / "stacks" / "ci"
    assert job.said("env") == {
        "BACKBONE_HOME": str(home),
        "STACK_ENGINE": "embedded",
        "KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
    }
    assert "down" not in job.calls
    job.run("stop")
    assert job.calls[-1] == "down"
    assert (job.folder / "messaging-backbone" / "logs" / "kafka-1.log").is_file()


@pytest.mark.parametrize(
    ("given", "code"), [({"STACK_RUN": "exit 7"}, 7), ({"STACK_RUN": "false; true"}, 1), ({"UP_ENDS": "5"}, 5)]
)
def test_what_fails_keeps_the_logs_stops_the_stack_and_ends_the_job_later(
    given: dict[str, str], code: int, job: Job
) -> None:
    job.run("start", **given)
    said = job.said("output")
    assert said["exit-code"] == str(code)
    kept = {path.name for path in (job.folder / "messaging-backbone" / "logs").iterdir()}
    assert kept == {"doctor.txt", "status.json", "kafka-1.log"}
    assert said["logs"] == str(job.folder / "messaging-backbone" / "logs")
    assert job.calls[-1] == "down"


def test_a_home_of_the_repository_is_taken_as_it_is(job: Job) -> None:
    (job.folder / "deploy it").mkdir()
    job.run("start", STACK_HOME="deploy it")
    assert job.said("env")["BACKBONE_HOME"] == str(job.folder / "deploy it")
    assert not any(call.startswith("stacks") for call in job.calls)


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_names_others_by_commit_and_takes_no_words_of_others_into_a_script(name: str) -> None:
    steps = ACTIONS[name]["runs"]["steps"]
    assert all(re.search(r"@[0-9a-f]{40}$", each["uses"]) for each in steps if "uses" in each)
    assert all("${{" not in each.get("run", "") for each in steps)


def test_the_page_gives_each_action_only_what_it_takes() -> None:
    workflow, steps, _ = blocks()
    used = [*workflow["jobs"]["test"]["steps"], *steps["steps"]]
    ours = [each for each in used if "actions/stack" in each.get("uses", "")]
    assert len(ours) == 3
    for each in ours:
        action = ACTIONS["down" if "/down@" in each["uses"] else "."]
        assert each.get("with", {}).keys() <= action["inputs"].keys()
    assert set(re.findall(r"`([a-z-]+)`(?=, `|\))", PAGE)) == {"bootstrap", "registry-url", "postgres-url"} & set(
        ACTIONS["."]["outputs"]
    )
