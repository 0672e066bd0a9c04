"""Projects that would make Compose fetch, wait or swallow: said by a rule, and Compose is never asked."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.lint import run as lint_run
from backbone.source.env_file import Scope
from backbone.source.source_map import SourceMap
from backbone.stack import compose
from tests.lint.conftest import Lint, Write, codes, excerpts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEB = "services: {web: {image: 'nginx:1.29.3'}}\n"
SOON_S = 5.0
"""Long before Compose's time limit would end a wait."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every command line that the linter starts; each ends at once."""
    commands: list[list[str]] = []

    def run(argv: list[str], **_: object) -> None:
        commands.append(argv)
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/compose.yml",
        "https://example.com/team/kafka.git",
        "https://example.com/team/kafka.git#main:deploy",
        "git://example.com/kafka",
        "ssh://git@example.com/kafka.git",
        "git@example.com:team/kafka.git",
        "github.com/team/kafka",
        "oci://registry.example.com/team/kafka:1",
        "${WHERE:-oci://registry.example.com/team/kafka:1}",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "include: ['AT']\nservices: {web: {image: 'x:1'}}\n",
        "include: [{path: ['AT', other.yml]}]\n",
        "include: [{path: other.yml, project_directory: 'AT'}]\n",
        "include: [{path: other.yml, env_file: 'AT'}]\n",
        "services: {web: {extends: {file: 'AT', service: web}}}\n",
        "services: {web: {image: 'x:1', env_file: ['AT']}}\n",
        "services: {web: {image: 'x:1', env_file: [{path: 'AT', required: false}]}}\n",
        "services: {web: {extends: {file: base.yml, service: far}}}\n",
    ],
)
def test_nothing_is_fetched(text: str, address: str, lint: Lint, asked: list[list[str]]) -> None:
    far = f"services: {{far: {{extends: {{file: '{address}', service: web}}}}}}\n"
    outcome = lint({"docker-compose.yml": text.replace("AT", address), "other.yml": WEB, "base.yml": far})
    assert "KC008" in codes(outcome)
    assert asked == []
    assert excerpts(outcome)[codes(outcome).index("KC008")] == f"'{address}'"


def test_compose_itself_may_not_fetch_what_we_do_not_recognise(write: Write) -> None:
    folder = write({"docker-compose.yml": WEB, ".env": "COMPOSE_EXPERIMENTAL_GIT_REMOTE=true\n"})
    file = folder / "docker-compose.yml"
    file.write_text("include: ['https://127.0.0.1:9/x.git']\n", encoding="utf-8")
    done = compose.config(file, environ={**os.environ, **lint_run.NOTHING_FETCHED})
    assert "remote resource is disabled" in done.stderr


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2 * 1024**3)


PLACES = {
    ".env": (".env", WEB),
    ".env of an include": ("sub/.env", "include: [sub/other.yml]\n"),
    ".env of a project_directory": ("sub/.env", "include: [{path: other.yml, project_directory: sub}]\n"),
    "env_file of an include": ("odd", "include: [{path: other.yml, env_file: odd}]\n"),
    "include": ("odd", "include: [odd]\n"),
    "extends": ("odd", "services: {web: {extends: {file: odd, service: web}}}\n"),
    "env_file": ("odd", "services: {web: {image: 'x:1', env_file: odd}}\n"),
    "env_file, optional": ("odd", "services: {web: {image: 'x:1', env_file: [{path: odd, required: false}]}}\n"),
    "label_file": ("odd", "services: {web: {image: 'x:1', label_file: [odd]}}\n"),
    "env_file of an extended service": ("odd", "services: {web: {extends: {file: base.yml, service: odd}}}\n"),
}
BASE = "services: {odd: {image: 'x:1', env_file: odd}}\n"


@pytest.mark.parametrize("make", [fifo, endless, huge])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file_is_told_at_once(place: str, make: Callable[[Path], None], lint: Lint, write: Write) -> None:
    name, text = PLACES[place]
    files = {"docker-compose.yml": text, "other.yml": WEB, "sub/other.yml": WEB, "base.yml": BASE}
    make(write(files) / name)
    began = time.monotonic()
    outcome = lint(files)
    assert time.monotonic() - began < SOON_S
    assert "KC009" in codes(outcome)
    assert not outcome.stopped


@pytest.mark.parametrize("make", [fifo, endless, huge])
@pytest.mark.parametrize("name", ["policy.toml", "given.env"])
def test_what_is_no_file_and_is_needed_is_a_usage_error(
    name: str, make: Callable[[Path], None], lint: Lint, write: Write
) -> None:
    folder = write({"docker-compose.yml": WEB})
    make(folder / name)
    with pytest.raises(StackError, match="cannot read") as caught:
        lint({}, **({"env_files": (folder / name,)} if name == "given.env" else {}))
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("make", [fifo, endless])
def test_a_compose_file_that_is_none_is_nothing_to_lint(make: Callable[[Path], None], lint: Lint, write: Write) -> None:
    make(write({"other": ""}) / "docker-compose.yml")
    with pytest.raises(StackError, match=r"docker-compose\.yml: it is a (FIFO|device)") as caught:
        lint({})
    assert caught.value.exit_code == ExitCode.NOTHING


def test_a_compose_file_of_2_gib_is_not_read(lint: Lint, write: Write) -> None:
    huge(write({"other": ""}) / "docker-compose.yml")
    assert codes(lint({})) == ["KC001"]


@pytest.mark.parametrize("make", [fifo, endless, huge])
def test_an_example_that_is_no_file_is_a_warning(make: Callable[[Path], None], lint: Lint, write: Write) -> None:
    make(write({}) / ".env.example")
    (judged,) = lint(WEB, select=("KC0",)).result.findings
    assert (judged.rule.code, judged.severity.word) == ("KC009", "warning")


@pytest.mark.parametrize("make", [fifo, endless])
def test_secrets_and_configs_are_never_opened(make: Callable[[Path], None], lint: Lint, write: Write) -> None:
    make(write({}) / "odd")
    text = "services: {web: {image: 'x:1', secrets: [s], configs: [c], volumes: ['./odd:/odd']}}\n"
    outcome = lint(text + "secrets: {s: {file: odd}}\nconfigs: {c: {file: odd}}\n", select=("KC0",))
    assert codes(outcome) == []
    assert outcome.project.resolved


KAFKA = "services: {a: {image: 'apache/kafka:4.3.1', command: '%s'}}\n"
LONG_LINES = {
    "defaults": "${A:-b}" * 12_000,
    "words with dots": "a." * 150_000,
    "letters and digits": "a1" * 150_000,
    "names of secrets": "password" * 40_000,
    "an unclosed variable": "${" + "key" * 100_000,
    "variables inside each other": "${A:-" * 1_500 + "b" * 100_000 + "}" * 1_500,
    "addresses": "', environment: {KAFKA_BROKERS: '" + "a:1," * 200_000 + "'}, user: '1",
    "lists of addresses": "', environment: {A: '" + "brokers: [a:1, b:2] " * 40_000 + "'}, user: '1",
    "values": "', labels: [" + "a=b," * 100_000 + "], user: '1",
}


@pytest.mark.parametrize("name", LONG_LINES)
def test_one_long_line_takes_no_longer_than_its_length(name: str, lint: Lint) -> None:
    # Measured in time of this process's processor: what is quadratic takes minutes.
    began = time.process_time()
    outcome = lint(KAFKA % LONG_LINES[name])
    assert time.process_time() - began < 10
    assert not outcome.result.crashes


def test_more_variables_than_are_meant_are_refused(lint: Lint) -> None:
    (judged,) = lint(KAFKA % ("$A" * 100_001)).result.findings
    assert judged.finding.message.endswith("it holds 100,001 dollar signs, more than 100,000")


def test_compose_has_longer_for_many_services(write: Write) -> None:
    few, many = ({f"s{number}": {"image": "a/b:1.0.0"} for number in range(count)} for count in (2, 2_000))
    seconds = []
    for services in (few, many):
        folder = write({"docker-compose.yml": json.dumps({"services": services})})
        seconds.append(lint_run.compose_timeout(SourceMap.read([folder / "docker-compose.yml"], Scope(folder, {}))))
    assert seconds == [pytest.approx(8.004), pytest.approx(12)]
