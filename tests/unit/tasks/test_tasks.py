"""Every task in a home of its own where nothing runs: what can be answered is, the rest is refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from backbone.events.connectors import files as connectors
from backbone.events.contracts import repository as contracts
from backbone.lint import engine
from backbone.snapshots import operations
from backbone.snapshots.manifest import Identity, Manifest
from backbone.snapshots.store import seal
from backbone.stack import home, topics
from backbone.stack.settings import Settings, shift_ports
from scripts.tasks.collection import collect
from scripts.tasks.program import Tasks
from tests import ROOT, outputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHIFT = 30_000
"""Far from every port that a stack on this machine uses, so that nobody answers."""


TASKS = collect().to_contexts()

SAYS_IT_IN_WORDS = {
    "topics create",
    "topics delete",
    "groups delete",
    "contracts new",
    "certs export",
    "certs renew",
    "connectors skip",
    "dead-letters show",
    "dead-letters replay",
    "dead-letters discard",
}
"""What has no data to print: it says what it has done. `dead-letters show` prints a JSON text a line by itself."""


class Answer(NamedTuple):
    """What a command line printed, and its exit code."""

    line: str
    code: int
    out: str
    err: str

    def data(self) -> Any:
        """What was printed with --json, which is what the schema promises."""
        found = json.loads(self.out)
        outputs.check(self.line.split(), found)
        return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a new home, on the engine that needs no Docker."""
    home.write(tmp_path, home.changes(tmp_path), overwrite=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STACK_ENGINE", "embedded")
    for name in ("COMPOSE_PROFILES", "BACKBONE_HOME"):
        monkeypatch.delenv(name, raising=False)
    shift_ports(Settings().env_example, SHIFT)
    return tmp_path


@pytest.fixture
def invoke(here: Path, capfd: pytest.CaptureFixture[str]) -> Callable[[str], Answer]:
    def run(line: str) -> Answer:
        code = 0
        capfd.readouterr()
        try:
            Tasks(namespace=collect(), binary="invoke").run(["invoke", *line.split()])
        except SystemExit as end:
            code = int(end.code or 0)
        return Answer(line, code, *capfd.readouterr())

    return run


def test_every_task_says_what_it_does_and_what_each_flag_means() -> None:
    silent = {context.name: [str(arg.name) for arg in context.args.values() if not arg.help] for context in TASKS}
    assert {name: flags for name, flags in silent.items() if flags} == {}
    assert [name for name, task in collect().tasks.items() if not task.__doc__] == []


def test_the_endpoints_are_those_of_this_home(invoke: Callable[[str], Answer]) -> None:
    found = invoke("endpoints --json").data()
    assert found["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:39092,127.0.0.1:39094,127.0.0.1:39096"
    assert found["SCHEMA_REGISTRY_URL"].startswith("http://127.0.0.1:38081/")


def test_the_databases_url_is_whole_and_without_the_password_unless_asked_for(
    invoke: Callable[[str], Answer], here: Path
) -> None:
    line = "endpoints --profile data --engine embedded --json"
    assert "?" not in invoke(line).data()["POSTGRES_URL"]
    (here / "secrets").mkdir(exist_ok=True)
    (here / "secrets" / "postgres_password").write_text("hunter2", encoding="utf-8")
    invoke("psql")  # made by what connects, and by up; endpoints only looks
    url = invoke(line).data()["POSTGRES_URL"]
    assert url.endswith(f"/events?passfile={here}/.stack/pgpass")
    assert "backbone:hunter2@" in invoke(f"{line} --with-secrets").data()["POSTGRES_URL"]
    said = invoke("psql")
    assert (said.code, "database-unreachable" in said.err, "hunter2" in said.err) == (4, True, False)


@pytest.mark.parametrize(
    "line",
    [
        "status",
        "endpoints",
        "ports",
        "doctor",
        "rules",
        "explain KC002",
        "artifacts list",
        "contracts check",
        "contracts plan",
        "connectors status",
        "connectors plan",
        "lint",
        "export strimzi --diff",
        "capacity --rate 20000",
        "capacity --rate 20000 --for strimzi",
        "capacity",
        "results list",
        "results index",
        "topics list",
        "groups list",
        "snapshot list",
        "snapshot save one",
        "snapshot fingerprint",
        "dead-letters list",
        "up --profile nosuch",
        "smoke --bootstrap nonsense",
        "rabbitmq",
        "archive",
        "failover --quick",
    ],
)
def test_what_is_printed_with_json_is_what_the_schema_promises(line: str, invoke: Callable[[str], Answer]) -> None:
    said = invoke(f"{line} --json")
    assert said.data() or said.code
    assert "Traceback" not in said.err


def test_every_task_with_json_has_its_place_in_the_schema() -> None:
    expected = set()
    for task in collect().tasks.values():
        name, actions = str(task.name).replace("_", "-"), getattr(task, "actions", ())
        if not any(str(argument.name) == "json" for argument in task.get_arguments()):
            continue
        plain = not actions or name in outputs.WITHOUT_ACTION
        expected |= {name} if plain else {f"{name} {action}" for action in actions}
    assert expected - SAYS_IT_IN_WORDS == outputs.SCHEMA["properties"].keys()


@pytest.mark.parametrize(
    "line",
    [
        "status --json",
        "endpoints --profile data",
        "ports --json",
        "doctor --json",
        "logs kafka-1",
        "topics list",
        "topics plan",
        "groups list",
        "contracts check",
        "contracts plan",
        "contracts drift",
        "connectors status",
        "connectors plan",
        "results list",
        "artifacts list",
        "rules",
        "init --diff",
        "lint",
    ],
)
def test_tasks_that_only_look_write_nothing(line: str, invoke: Callable[[str], Answer], here: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    invoke(line)
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_ports_move_all_together(invoke: Callable[[str], Answer], here: Path) -> None:
    assert invoke("ports --shift 10").code == 0
    assert "KAFKA_1_EXTERNAL_PORT=39102" in (here / ".env").read_text(encoding="utf-8")


def test_the_status_of_a_stack_that_is_stopped_is_no_success(invoke: Callable[[str], Answer]) -> None:
    said = invoke("status --json")
    assert said.code == 1
    phases = {each["name"]: each["phase"] for each in said.data()["services"]}
    assert (phases["kafka-1"], phases["grafana"]) == ("stopped", "unavailable")


def test_rules_and_artifacts_are_listed(invoke: Callable[[str], Answer]) -> None:
    assert [rule["code"] for rule in invoke("rules --json").data()] == list(engine.load_rules())
    assert {"kafka@4.3.1", "connect"} <= {each["set"] for each in invoke("artifacts list --json").data()}


def test_contracts_are_checked_without_a_registry(invoke: Callable[[str], Answer]) -> None:
    assert invoke("contracts check").code == 0


def test_a_new_home_is_up_to_date(invoke: Callable[[str], Answer], here: Path) -> None:
    (here / ".env.example").write_bytes((here / ".env.example").read_bytes() + b"MINE=1\n")
    said = invoke("init --diff")
    assert said.code == 1
    assert "-MINE=1" in said.out


def test_nothing_is_removed_unasked(invoke: Callable[[str], Answer], here: Path) -> None:
    data = here / "data" / "messaging" / "kafka" / "kafka-1"
    data.mkdir(parents=True)
    said = invoke("nuke")
    assert (said.code, "not-confirmed" in said.err) == (2, True)
    assert data.is_dir()
    assert invoke("down").code == 0
    assert data.is_dir()


SINK = "doc: Keeps the events.\nconfig: {connector.class: a.B, tasks.max: %s, topics: %s}\n"


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        (topics.FILE, "topics: [{name: a, partitions: 1, config: {retention.ms: 5}}]\n", "topics.yml:1:"),
        (topics.FILE, "topics: [{name: a, partitions: 1, config: {retentoin.ms: '5'}}]\n", "KC702 topics-file"),
        (connectors.FOLDER / "a.yml", SINK % ("1", "events-topic"), "a.yml:2:"),
        (connectors.FOLDER / "a.yml", SINK % ("'1'", "event-topic"), "KC704 connector-without-topic"),
        (contracts.FOLDER / "b-value" / "contract.yml", "topic: b\n", "KC703 contract-without-topic"),
        (contracts.FOLDER / "b-value" / "contract.yml", "topic: b\n", "KC705 own-file-schema"),
    ],
)
def test_what_is_wrong_with_our_own_files_is_told_before_anything_is_started(
    file: Path, text: str, told: str, invoke: Callable[[str], Answer], here: Path
) -> None:
    (here / file).parent.mkdir(parents=True, exist_ok=True)
    (here / file).write_text(text, encoding="utf-8")
    answer = invoke("up")
    assert answer.code == 2
    assert "own-files" in answer.err
    assert told in answer.err
    assert not list(here.glob("data/*"))


def test_the_doctor_looks_at_what_there_is(invoke: Callable[[str], Answer]) -> None:
    checks = invoke("doctor --json").data()["checks"]
    assert {"ok", "unknown"} <= {each["status"] for each in checks}


@pytest.mark.parametrize(
    ("line", "reference", "code"),
    [
        ("topics list", "no-broker", 4),
        ("smoke", "no-broker", 4),
        ("failover --quick", "nothing-runs", 4),
        ("contracts plan", "registry-unreachable", 4),
        ("connectors status", "connect-unreachable", 4),
        ("archive", "registry-unreachable", 4),
        ("rabbitmq", "no-rabbitmq-account", 4),
        ("psql", "no-password-file", 4),
        ("groups list", "no-broker", 4),
        ("groups reset billing", "no-target", 2),
        ("groups reset billing --to earliest --partition x", "bad-number", 2),
        ("topics create a/b", "topic-name", 2),
        ("topics create orders --set retenion.ms=1", "topic-config", 2),
        ("topics create orders --set retention.ms", "bad-setting", 2),
        ("topics list --bootstrap nonsense", "bad-address", 2),
        ("smoke --bootstrap nonsense", "bad-address", 2),
        ("bench --quick --bootstrap nonsense", "bad-address", 2),
        ("consume events-topic --bootstrap nonsense", "bad-address", 2),
        ("logs nosuch", "unknown-service", 2),
        ("up --profile nosuch", "unknown-profile", 2),
        ("explain nosuch", "unknown-rule", 2),
        ("artifacts remove", "unknown-action", 2),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    line: str, reference: str, code: int, invoke: Callable[[str], Answer]
) -> None:
    said = invoke(line)
    assert f"error[{reference}]" in said.err
    assert (said.code, said.out) == (code, "")
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", [["-m", "invoke"], ["tasks.py"]])
def test_a_task_runs_once_however_it_is_started(words: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "BACKBONE_HOME": str(ROOT)}
    argv = [sys.executable, *words, "results", "list", "--json"]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    json.loads(done.stdout)


def test_one_snapshot_that_cannot_be_read_hides_no_other_and_can_be_removed(
    invoke: Callable[[str], Answer], here: Path
) -> None:
    store = operations.of(Settings())
    with store.new("good") as folder:
        identity = Identity("cluster", {}, (), "4.3.1", "", {})
        seal(Manifest("good", "2026-01-01", "1", "embedded", identity, None, secrets=False, entries=()), folder)
    with store.new("bad") as folder:
        (folder / "manifest.json").write_text("{", encoding="utf-8")
    listed = invoke("snapshot list --json")
    assert [each["name"] for each in listed.data()["snapshots"]] == ["good"]
    assert listed.code == 1
    assert "bad is not as it was written" in listed.err
    assert "\ngood\t" in invoke("snapshot list").out
    assert invoke("snapshot remove bad --yes --json").data() == {"removed": "bad"}
    assert invoke("snapshot list").code == 0
    assert "no-such-snapshot" in invoke("snapshot remove bad --yes").err
