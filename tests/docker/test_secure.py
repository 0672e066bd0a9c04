"""The secure profile by plain `docker compose up`: one-shots make certificates, users and rules; the tasks join in."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

import docker
import pytest
from confluent_kafka import KafkaError

from backbone.security import certificates
from backbone.security.layout import Secrets
from backbone.stack import compose
from backbone.stack.settings import Settings
from tests.e2e import checkout
from tests.e2e.logins import TOPIC, code, librdkafka, read_by, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.checkout import Checkout

SERVICES = ("kafka-1", "kafka-2", "kafka-3", "kafka-topics", "schema-registry", "kafka-connect", "postgres")
PROJECT = "e2e-secure"
UP_TIMEOUT_S = 240


def plain_compose(stack: Checkout, *words: str) -> str:
    """Run Docker Compose as somebody does who has nothing else."""
    try:
        done = run_compose(stack, *words, timeout=UP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pytest.fail(state(stack))
    assert done.returncode == 0, done.stderr + state(stack)
    return done.stdout + done.stderr


def run_compose(stack: Checkout, *words: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose in a checkout."""
    argv = [str(compose.binary()), "--profile", "*", *words]
    return subprocess.run(
        argv, cwd=stack.root, env=stack.env, capture_output=True, text=True, check=False, timeout=timeout
    )


def state(stack: Checkout) -> str:
    """Return which containers there are, and their last words."""
    said = (("ps", "--all"), ("logs", "--no-color", "--tail", "20"))
    return "\n".join(run_compose(stack, *words, timeout=60).stdout for words in said)


@pytest.fixture(scope="module")
def secure(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose stack was started by plain Docker Compose."""
    cache = Settings().cache_dir.parent
    made = checkout.make(tmp_path_factory.mktemp("secure"), cache, shift=checkout.free_shift())
    made.environ.update({**engine, "STACK_ENGINE": "docker"})
    for name, value in (("KAFKA_SECURITY", "secure"), ("COMPOSE_PROJECT_NAME", PROJECT), ("KAFKA_NOFILE", "4096")):
        assign(made.root / ".env", name, value)
    try:
        plain_compose(made, "build", "kafka-folders", "kafka-connect")
        plain_compose(made, "up", "--detach", "--wait", *SERVICES)
        yield made
    finally:
        run_compose(made, "down", "--volumes", "--remove-orphans", timeout=UP_TIMEOUT_S)


def assign(file: Path, name: str, value: str) -> None:
    """Change a variable of an env file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith(f"{name}=") for line in lines), name
    changed = (f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines)
    file.write_text("\n".join(changed) + "\n", encoding="utf-8")


@pytest.fixture
def secrets(secure: Checkout) -> Secrets:
    found = Secrets(secure.root / "secrets" / "kafka")
    secure.run("topics", "list")  # the tasks make the administrator's file of the password that a container has made
    secure.run("access", "apply")  # and the users'
    return found


def test_the_tasks_join_what_plain_compose_has_started(secure: Checkout) -> None:
    secure.run("smoke")
    assert secure.json("access", "drift") == []
    shown = {row["name"]: row["days_left"] for row in secure.json("certs", "show")}
    assert {shown[name] for name in ("kafka-1", "kafka-2", "kafka-3", "schema-registry", "kafka-connect", "admin")} == {
        89
    }


def test_what_is_allowed_works_and_the_rest_is_refused(secure: Checkout, secrets: Secrets) -> None:
    secure.run("topics", "create", "private")
    settings = librdkafka(secrets)
    assert written(settings, TOPIC) is None
    assert read_by(settings, "app-reader") is None
    assert code(written(settings, "private")) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert code(read_by(settings, "other")) == KafkaError.GROUP_AUTHORIZATION_FAILED
    wrong = written(librdkafka(secrets, sasl__password="wrong"), TOPIC)  # noqa: S106 - is refused
    assert code(wrong) == KafkaError._AUTHENTICATION, wrong  # noqa: SLF001 - its name


def test_a_node_asks_for_a_certificate_of_this_authority(secure: Checkout, engine: dict[str, str]) -> None:
    where = engine.get("DOCKER_HOST")
    with contextlib.closing(docker.DockerClient(where) if where else docker.from_env()) as client:
        (node,) = client.containers.list(
            filters={"label": [f"com.docker.compose.project={PROJECT}", "com.docker.compose.service=kafka-2"]}
        )
        listeners = dict(item.split("=", 1) for item in node.attrs["Config"]["Env"])["KAFKA_LISTENERS"]
        port = listeners.split(",")[0].rpartition(":")[2]
        ask = f"openssl s_client -ign_eof -connect kafka-1:{port} -CAfile /etc/kafka/tls/ca.pem </dev/null 2>&1"
        _, nobody = node.exec_run(["timeout", "10", "bash", "-c", ask])
    assert b"Verify return code: 0 (ok)" in nobody
    assert b"certificate required" in nobody


def test_another_start_makes_nothing_anew(secure: Checkout, secrets: Secrets) -> None:
    files = [path for path in secrets.folder.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    plain_compose(secure, "up", "--detach", "--wait", *SERVICES)
    assert {path: path.read_bytes() for path in files} == before
    keys = [secrets.folder / "ca.key", secrets.password("app"), secrets.password("admin")]
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in secrets.folder.glob("*/keystore.pem")} == {0o640}


def test_tasks_and_one_shots_leave_each_others_certificates(secure: Checkout, secrets: Secrets) -> None:
    hosts = {"localhost", "127.0.0.1"}
    for name, shown in (("kafka-1", hosts), ("schema-registry", hosts), ("admin", set())):
        assert not certificates.ensure(secrets.folder, name, shown, now=time.time()), name
    renewed = certificates.renew(secrets.folder, "kafka-ui", now=time.time())
    plain_compose(secure, "up", "kafka-certificates")
    found = certificates.leaf(secrets.keystore("kafka-ui"))
    assert found
    assert found.serial == renewed.serial
    assert secrets.keystore("kafka-ui").stat().st_mode & 0o777 == 0o640  # its container is let in again


def test_no_password_is_in_what_the_engine_knows(secure: Checkout, secrets: Secrets, engine: dict[str, str]) -> None:
    hidden = [path.read_text(encoding="ascii").strip() for path in secrets.folder.glob("users/*.password")]
    assert len(hidden) >= 2
    where = engine.get("DOCKER_HOST")
    with contextlib.closing(docker.DockerClient(where) if where else docker.from_env()) as client:
        label = f"com.docker.compose.project={PROJECT}"
        containers = client.containers.list(all=True, filters={"label": label})
        shown = [str(each.attrs) for each in containers] + [each.logs().decode(errors="replace") for each in containers]
    shown.append(plain_compose(secure, "config"))
    assert len(shown) > len(SERVICES)
    assert [text[:80] for text in shown if any(word in text for word in hidden)] == []
