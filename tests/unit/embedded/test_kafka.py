from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded.local_service import LocalService
from backbone.stack.engine.embedded.runtimes import kafka
from tests.fakes import model

META = "#Sun Nov 22 10:00:00 UTC 2026\nnode.id=1\ndirectory.id=abc\nversion=1\ncluster.id=TWVzc2FnaW5nQmFja2JvbQ==\n"
CLUSTER = "TWVzc2FnaW5nQmFja2JvbQ=="


def local(
    root: Path,
    *,
    cluster: str = CLUSTER,
    node: str = "1",
    logging: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
) -> LocalService:
    body = {
        "hostname": "kafka-1",
        "environment": {
            "CLUSTER_ID": cluster,
            "KAFKA_NODE_ID": node,
            "KAFKA_LOG_DIRS": "/var/lib/kafka/data, /var/lib/kafka/more",
            "KAFKA_LISTENERS": "EXTERNAL://0.0.0.0:9092,INTERNAL://kafka-1:19092",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
            **(environment or {}),
        },
        "volumes": [{"type": "bind", "source": str(root / "kafka"), "target": "/var/lib/kafka"}],
        "logging": {"driver": "json-file", "options": logging or {}},
        "x-embedded": {"runtime": "kafka", "jars": "kafka@4.3.1"},
    }
    return LocalService(
        model(**{"kafka-1": body})["kafka-1"], root / "home", {"kafka-1": "127.0.0.11"}, root / "c", lambda _: [], root
    )


def formatted(root: Path, folder: str = "data", meta: str = META) -> Path:
    path = root / "kafka" / folder / "meta.properties"
    path.parent.mkdir(parents=True)
    path.write_text(meta, encoding="utf-8")
    return path


def test_reads_the_identity_of_a_log_directory(tmp_path: Path) -> None:
    path = formatted(tmp_path)
    assert kafka.meta_properties(path.parent) == {
        "node.id": "1",
        "directory.id": "abc",
        "version": "1",
        "cluster.id": CLUSTER,
    }
    assert kafka.meta_properties(tmp_path) == {}


def test_every_log_directory_is_found_on_this_machine(tmp_path: Path) -> None:
    assert kafka.log_dirs(local(tmp_path)) == [tmp_path / "kafka" / "data", tmp_path / "kafka" / "more"]


def test_new_and_own_data_are_fine(tmp_path: Path) -> None:
    kafka.check(local(tmp_path))
    path = formatted(tmp_path)
    kafka.check(local(tmp_path))
    assert path.read_text(encoding="utf-8") == META


@pytest.mark.parametrize(
    ("change", "key", "variable", "found"),
    [
        ({"cluster": "b3RoZXJvdGhlcm90aGVyMQ"}, "cluster.id", "CLUSTER_ID", CLUSTER),
        ({"node": "2"}, "node.id", "KAFKA_NODE_ID", "1"),
    ],
)
@pytest.mark.parametrize("folder", ["data", "more"])
def test_data_of_another_cluster_or_node_is_refused_with_the_remedy(
    tmp_path: Path, folder: str, change: dict[str, str], key: str, variable: str, found: str
) -> None:
    path = formatted(tmp_path, folder)
    with pytest.raises(StackError) as caught:
        kafka.check(local(tmp_path, **change))  # type: ignore[arg-type]  # one of the two keywords
    error = caught.value
    assert (error.reference, error.exit_code) == ("foreign-data", ExitCode.ENVIRONMENT)
    assert f"{key} {found}" in error.message
    assert str(path) in str(error.context)
    assert f"set {variable}={found}" in str(error.hint)
    assert "./invoke nuke" in str(error.hint)
    assert path.read_text(encoding="utf-8") == META


@pytest.mark.parametrize("text", ["", "version=1\n", "node.id=1\n", "\0" * 100, "cluster.id"])
def test_an_identity_that_was_cut_short_is_told_with_the_way_out(tmp_path: Path, text: str) -> None:
    path = formatted(tmp_path, meta=text)
    with pytest.raises(StackError, match="damaged-data") as caught:
        kafka.check(local(tmp_path))
    assert str(path) in caught.value.message
    assert f"mv {path.parent} {path.parent}.damaged && ./invoke up" in str(caught.value.hint)


@dataclass
class Setup:
    """In the place of Kafka's own class: writes what it is given, and counts."""

    runs: int = 0

    def __call__(self, argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.runs += 1
        final = Path(argv[argv.index("-F") + 1])
        (final / "server.properties").write_text(json.dumps(options["env"]), encoding="utf-8")
        (final / "log4j2.yaml").write_text("Configuration: {}", encoding="utf-8")
        return subprocess.CompletedProcess(argv, 0, "", "")


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Setup:
    made = Setup()
    monkeypatch.setattr(subprocess, "run", made)
    return made


def configured(place: LocalService) -> Path:
    place.home.mkdir(parents=True, exist_ok=True)
    return Path(kafka.launch(place).argv[-1])


def test_the_configuration_is_made_once(tmp_path: Path, setup: Setup) -> None:
    for folder in ("data", "more"):
        formatted(tmp_path, folder)
    first = configured(local(tmp_path))
    assert configured(local(tmp_path)) == first
    assert setup.runs == 1
    configured(local(tmp_path, environment={"KAFKA_NUM_PARTITIONS": "7"}))
    assert setup.runs == 2
    assert [path.name for path in first.parent.parent.glob("config*")] == ["config"]


@pytest.mark.parametrize("damage", ["cut", "emptied", "removed", "edited", "its stamp", "half made"])
def test_a_configuration_that_was_damaged_is_made_again(tmp_path: Path, setup: Setup, damage: str) -> None:
    for folder in ("data", "more"):
        formatted(tmp_path, folder)
    file = configured(local(tmp_path))
    sound = file.read_bytes()
    if damage == "cut":
        file.write_bytes(sound[: len(sound) // 2])
    elif damage == "emptied":
        file.write_bytes(b"")
    elif damage == "removed":
        file.unlink()
    elif damage == "edited":
        file.write_bytes(sound + b"\nx=1")
    elif damage == "its stamp":
        (file.parent / ".inputs").write_bytes(b"\xff")
    else:
        file.parent.rename(file.parent.with_name("config.partial"))
    assert configured(local(tmp_path)) == file
    assert file.read_bytes() == sound
    assert setup.runs == 2


def test_the_endpoint_is_the_inter_broker_listener(tmp_path: Path) -> None:
    assert kafka.endpoint(local(tmp_path)) == "kafka://127.0.0.11:19092"


def test_what_speaks_tls_is_asked_for_its_port_alone(tmp_path: Path) -> None:
    protocols = {"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT, internal:SSL,EXTERNAL:PLAINTEXT"}
    assert kafka.endpoint(local(tmp_path, environment=protocols)) == "tcp://127.0.0.11:19092"


def test_a_node_that_wants_certificates_is_asked_where_it_wants_a_password(tmp_path: Path) -> None:
    protocols = {
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INTERNAL:SSL,EXTERNAL:SASL_SSL",
        "KAFKA_LISTENERS": "EXTERNAL://127.0.0.1:9092,INTERNAL://kafka-1:19092",
    }
    node = local(tmp_path, environment=protocols)
    assert kafka.endpoint(node) == "kafkas://127.0.0.1:9092"
    assert kafka.inter_broker(node) == ("127.0.0.11", 19092)
    assert kafka.inter_broker(local(tmp_path, environment={"KAFKA_INTER_BROKER_LISTENER_NAME": ""})) is None


@pytest.mark.parametrize(
    ("options", "size", "rolled"),
    [
        ({}, "10MB", 2),
        ({"max-size": "10m", "max-file": "3"}, "10MB", 2),
        ({"max-size": "512k", "max-file": "5"}, "512KB", 4),
        ({"max-size": "1g", "max-file": "1"}, "1GB", 1),
        ({"max-size": "20mb", "max-file": "2"}, "20MB", 1),
        ({"max-size": "1048576"}, "1048576B", 2),
    ],
)
def test_the_log_is_bounded_by_the_logging_options(
    tmp_path: Path, options: dict[str, str], size: str, rolled: int
) -> None:
    here = local(tmp_path, logging=options)
    appender = kafka.log4j2(here)["Configuration"]["Appenders"]["RollingFile"]
    assert appender["SizeBasedTriggeringPolicy"] == {"size": size}
    assert appender["DefaultRolloverStrategy"] == {"max": rolled}
    assert here.home / appender["fileName"] == here.log_file
    assert appender["filePattern"].startswith(appender["fileName"])


@pytest.mark.parametrize("options", [{"max-file": "three"}, {"max-size": "big"}])
def test_a_bound_that_is_none_is_told(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(StackError) as caught:
        kafka.log4j2(local(tmp_path, logging=options))
    error = caught.value
    assert (error.reference, error.exit_code) == ("bad-log-bound", ExitCode.USAGE)
    assert "LOG_MAX" in str(error.hint)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/plain folder/it's", "/plain folder/it's"),
        ("/st\u00e4ck", r"/st\u00e4ck"),
        ("/\U0001f600", r"/\ud83d\ude00"),
        ("/back\\slash", r"/back\u005cslash"),
    ],
)
def test_a_path_survives_a_properties_file(path: str, written: str) -> None:
    assert kafka.in_properties(path) == written


def test_a_folder_that_kafka_would_take_for_two_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="comma") as caught:
        kafka.check(local(tmp_path / "a,b"))
    assert caught.value.exit_code == ExitCode.USAGE
