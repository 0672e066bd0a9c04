"""How people lay out projects: several files, overlays, standard input, many projects, variables from elsewhere."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from backbone.errors import PROGRAM, ExitCode, StackError
from backbone.lint import cli, discovery
from backbone.lint import run as lint_run
from tests.lint.conftest import Lint, Write, codes

WEB = "services: {web: {image: 'nginx:1.29.3'}}\n"
TWICE = "services:\n  web:\n    image: x:1\n    image: x:2\n"
BROKER = """\
services:
  kafka:
    image: IMAGE
    environment:
      KAFKA_NODE_ID: 1
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: 2@kafka:9093
      KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
"""


def test_several_files_are_merged_in_their_order(write: Write, lint: Lint) -> None:
    folder = write({"base.yml": WEB, "sub/more.yml": "services: {web: {image: 'nginx:2', ports: ['1:1']}}\n"})
    outcome = lint({}, project=None, files=(str(folder / "base.yml"), str(folder / "sub/more.yml")))
    (service,) = outcome.project.services.values()
    assert (service.image, len(service.ports)) == ("nginx:2", 1)
    assert outcome.project.directory == folder


def test_standard_input_is_one_of_the_files(write: Write, lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write({"more.yml": "services: {web: {env_file: web.env}}\n", "web.env": "A=1\n"}))
    outcome = lint({}, project=None, files=("-", "more.yml"), stdin=io.BytesIO(TWICE.encode()))
    assert codes(outcome)[0] == "KC002"
    assert outcome.result.findings[0].path == "-"
    outcome = lint({}, project=None, files=("-", "more.yml"), stdin=io.BytesIO(WEB.encode()))
    assert outcome.project.services["web"].environment == {"A": "1"}


def test_standard_input_may_stand_without_its_flag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TWICE.encode())))
    assert cli.main(["-"]) is ExitCode.FINDINGS


def test_standard_input_has_the_bounds_of_a_file(lint: Lint) -> None:
    for content in (b"x" * (8 * 1024 * 1024 + 1), b"\xff"):
        with pytest.raises(StackError, match="standard input"):
            lint({}, project=None, files=("-",), stdin=io.BytesIO(content))


@pytest.mark.parametrize("override", discovery.OVERRIDES)
@pytest.mark.parametrize("main", discovery.NAMES)
def test_an_override_counts_whatever_the_main_file_is_called(main: str, override: str, write: Write) -> None:
    folder = write({main: WEB, override: WEB})
    assert discovery.locate(folder, {}) == [folder / main, folder / override]


def test_compose_file_may_have_a_separator_of_its_own(write: Write) -> None:
    folder = write({"a.yml": WEB, "b.yml": WEB, ".env": "COMPOSE_FILE=a.yml;b.yml\nCOMPOSE_PATH_SEPARATOR=;\n"})
    assert discovery.locate(folder, {}) == [folder / "a.yml", folder / "b.yml"]


def test_of_several_env_files_the_last_one_counts_and_the_shell_over_it(write: Write, lint: Lint) -> None:
    text = "services: {web: {image: '${A}:${B}', hostname: '${C}'}}\n"
    folder = write({"one.env": "A=one\nB=1\n", "two.env": "B=2\nC=two\n", ".env": "C=never\n"})
    given = (folder / "one.env", folder / "two.env")
    outcome = lint(text, env_files=given, environ={"C": "shell"})
    service = outcome.project.services["web"]
    assert (service.image, service.hostname) == ("one:2", "shell")
    assert outcome.project.env
    assert {name: each.value for name, each in outcome.project.env.assignments.items()} == {
        "A": "one",
        "B": "2",
        "C": "two",
    }


@pytest.mark.parametrize("image", ["${IMAGE}", "${IMAGE:?say which}", "${REGISTRY}/kafka:${TAG:?}"])
def test_an_image_that_is_not_set_does_not_silence_the_rules(image: str, lint: Lint) -> None:
    outcome = lint(BROKER.replace("IMAGE", f'"{image}"', 1), select=("KC1", "KC004"))
    assert "KC103" in codes(outcome)
    assert outcome.complete
    assert not any("placeholder" in judged.finding.message for judged in outcome.result.findings)


def test_what_is_not_set_is_taken_from_the_example(lint: Lint) -> None:
    files = {"docker-compose.yml": "services: {web: {image: '${IMAGE}', ports: ['${PORT:?}:80']}}\n"}
    outcome = lint({**files, ".env.example": "PORT=8080\nIMAGE=nginx:1.29.3\n"}, select=("KC004",))
    assert outcome.project.services["web"].ports[0].published == (8080, 8080)
    assert [judged.severity.word for judged in outcome.result.findings] == ["warning"]


def test_env_files_are_those_that_the_shell_names(lint: Lint, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "docker-compose.yml": "services: {web: {image: '${IMAGE}', hostname: '${NAME}'}}\n",
        ".env": "IMAGE=no:1\n",
        "a.env": "IMAGE=a:1\nNAME=a\n",
        "b.env": "NAME=b\n",
    }
    monkeypatch.chdir(write(files))
    outcome = lint(files, environ={"COMPOSE_ENV_FILES": "a.env,b.env"})
    web = outcome.project.services["web"]
    assert (web.image, web.hostname) == ("a:1", "b")
    with pytest.raises(StackError) as caught:
        lint(files, environ={"COMPOSE_ENV_FILES": "gone.env"})
    assert caught.value.exit_code == ExitCode.USAGE


def test_compose_that_is_too_slow_is_never_clean(lint: Lint) -> None:
    outcome = lint(WEB, compose_timeout=0.001)
    assert "--compose-timeout" in outcome.stopped
    assert not outcome.complete


@pytest.mark.parametrize("name", ["oci://registry.example.com/x:1", "https://example.com/x.git", "gone.yml"])
def test_a_file_that_cannot_be_read_here_is_a_usage_error(name: str, lint: Lint) -> None:
    with pytest.raises(StackError) as caught:
        lint({}, project=None, files=(name,))
    assert caught.value.exit_code == ExitCode.USAGE


MONOREPO = {
    "shop/compose.yaml": "include: [parts/kafka/docker-compose.yml]\n" + WEB,
    "shop/compose.override.yaml": "services: {web: {ports: ['1:1']}}\n",
    "shop/parts/kafka/docker-compose.yml": TWICE,
    "shop/compose.dev.yaml": "services: {web: {ports: ['2:2']}}\n",
    "tools/docker-compose.kafka.yml": WEB,
    "tools/common-compose.yml": "services: {base: {image: 'x:1'}}\n",
    "tools/docker-compose.yml": "services: {a: {extends: {file: common-compose.yml, service: base}}}\n",
    "empty/docker-compose.yml": "# nothing\n",
    "node_modules/x/docker-compose.yml": WEB,
    "vendor/docker-compose.yml": WEB,
    ".hidden/docker-compose.yml": WEB,
    "env/pyvenv.cfg": "",
    "env/docker-compose.yml": WEB,
    "other.yml": WEB,
}


def test_every_project_below_a_folder_is_found_once(write: Write) -> None:
    folder = write(MONOREPO)
    found = [path.relative_to(folder).as_posix() for path in discovery.below(folder)]
    assert found == ["empty", "shop", "tools", "tools/docker-compose.kafka.yml"]


@pytest.mark.parametrize(
    ("service", "alone"),
    [
        ("depends_on: [kafka]", False),
        ("links: ['kafka:broker']", False),
        ("networks: [backend]", False),
        ("volumes: ['data:/data', './a:/b', '/c']", False),
        ("depends_on: [nobody]", True),  # for Compose to refuse
        ("networks: [default], depends_on: [own]", True),
    ],
)
def test_a_file_that_needs_what_only_one_beside_it_has_is_an_overlay(
    service: str, write: Write, *, alone: bool
) -> None:
    main = "services: {kafka: {image: 'x:1'}}\nnetworks: {backend: }\nvolumes: {data: }\n"
    tools = f"services: {{own: {{image: 'x:1'}}, ui: {{image: 'x:1', {service}}}}}\n"
    folder = write({"docker-compose.yml": main, "docker-compose.tools.yml": tools})
    assert ("docker-compose.tools.yml" in [path.name for path in discovery.below(folder)]) == alone


def test_many_projects_are_one_report(
    write: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAM, "kafka-compose-lint")
    write(MONOREPO)
    assert cli.main([str(tmp_path), "--format", "json", "--select", "KC00"]) == ExitCode.NOTHING
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert [(each["code"], Path(each["path"]).name) for each in report["findings"]] == [("KC002", "docker-compose.yml")]
    assert "is empty" in captured.err
    (tmp_path / "empty" / "docker-compose.yml").unlink()
    assert cli.main([str(tmp_path), "--format", "json", "--select", "KC00"]) == ExitCode.FINDINGS


def test_places_may_be_given_several_times_and_are_judged_once(write: Write) -> None:
    folder = write({"a/compose.yml": TWICE, "b/compose.yml": WEB, "b/c/compose.yml": WEB})
    request = lint_run.Request(environ={}, select=("KC00",))
    places = [folder / "a", folder / "a" / ".." / "a", folder / "b"]
    assert [outcome.project.directory.name for outcome in lint_run.run_all(request, places)] == ["a", "b"]
    below = lint_run.run_all(request, [folder / "b"], recursive=True)
    assert [outcome.project.directory.name for outcome in below] == ["b", "c"]
