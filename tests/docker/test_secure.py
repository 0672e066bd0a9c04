"""The secure profile by plain `docker compose up`: one-shots make certificates, users and rules; the tasks join in."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from itertools import chain
from typing import TYPE_CHECKING

import docker
import pytest

from backbone.security import certificates
from backbone.security.layout import Secrets
from backbone.source import env_file
from backbone.stack import compose
from backbone.stack.settings import Settings
from tests.e2e import checkout, test_secure, test_secure_load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker.models.containers import Container

    from tests.e2e.checkout import Checkout

SERVICES = ("kafka-1", "kafka-2", "kafka-3", "schema-registry", "kafka-connect", "postgres")
PROJECT = "e2e-secure"
SETTINGS = {
    "KAFKA_SECURITY": "secure",
    "KAFKA_FAILOVER_PROFILE": "balanced",  # faults last a third of the default's
    "COMPOSE_PROJECT_NAME": PROJECT,
    "KAFKA_NOFILE": "4096",
}
UP_TIMEOUT_S = 240
EXEC_TRIES = 3
"""An engine of a busy machine has lost the words of a command that ended at once."""

# What is allowed and what is refused is the same with either engine.
colleagues = test_secure.colleagues
impostors = test_secure.impostors
test_who_may_do_what = test_secure.test_the_user_of_the_file_may_do_what_it_says_and_nothing_else
test_transactions = test_secure.test_transactions_are_for_the_ids_of_the_user
test_impostors = test_secure.test_who_is_not_who_they_say_is_refused
test_without_tls = test_secure.test_a_client_without_tls_gets_no_word
test_another_authority = test_secure.test_a_client_with_another_authority_refuses_the_cluster
test_certificates_are_asked_for = test_secure.test_a_service_shows_a_certificate_of_this_authority_or_gets_no_word
test_the_tasks_say_why = test_secure.test_the_tasks_tell_what_the_rules_do_not_allow
test_the_tasks_say_who = test_secure.test_the_tasks_tell_why_somebody_is_not_let_in


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


def up(stack: Checkout, *services: str) -> None:
    """Start what has an image here; --wait takes the end of a one-shot that nobody else waits for as a failure."""
    plain_compose(stack, "up", "--detach", "--wait", *(services or SERVICES))
    plain_compose(stack, "up", "--no-deps", "kafka-topics")


@pytest.fixture(scope="module")
def secure(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose stack was started by plain Docker Compose."""
    cache = Settings().cache_dir.parent
    made = checkout.make(tmp_path_factory.mktemp("secure"), cache, shift=checkout.free_shift())
    made.environ.update({**engine, "STACK_ENGINE": "docker"})
    for name, value in SETTINGS.items():
        assign(made.root / ".env", name, value)
    try:
        plain_compose(made, "build", "kafka-folders", "kafka-connect")
        up(made)
        yield made
    finally:
        run_compose(made, "down", "--volumes", "--remove-orphans", timeout=UP_TIMEOUT_S)


def assign(file: Path, name: str, value: str) -> None:
    """Change a variable of an env file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith(f"{name}=") for line in lines), name
    changed = (f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines)
    file.write_text("\n".join(changed) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def secrets(secure: Checkout) -> Secrets:
    found = Secrets(secure.root / "secrets" / "kafka")
    secure.run("topics", "list")  # the tasks make the administrator's file of the password that a container has made
    secure.run("access", "apply")  # and the users'
    secure.run("contracts", "apply")
    return found


@pytest.fixture(scope="module")
def containers(secure: Checkout) -> Iterator[dict[str, Container]]:
    """What runs of the stack, or has: service → container."""
    where = secure.environ.get("DOCKER_HOST")
    with contextlib.closing(docker.DockerClient(where) if where else docker.from_env()) as client:
        label = f"com.docker.compose.project={PROJECT}"
        found = client.containers.list(all=True, filters={"label": label})
        yield {one.labels["com.docker.compose.service"]: one for one in found}


@pytest.fixture(scope="module")
def internal(secure: Checkout, containers: dict[str, Container]) -> tuple[str, int]:
    """Where kafka-1 listens to the stack's services: this machine reaches the containers' network."""
    (network,) = containers["kafka-1"].attrs["NetworkSettings"]["Networks"].values()
    return network["IPAddress"], int(env_file.read(secure.root / ".env", {})["KAFKA_INTERNAL_PORT"])


def inside(containers: dict[str, Container], name: str, script: str) -> str:
    """Return what a script says in a container, run as whoever its process is; each of ours says something."""
    for _ in range(EXEC_TRIES):
        _, said = containers[name].exec_run(["sh", "-c", script], user=name if name == "postgres" else "")
        assert isinstance(said, bytes)
        if said:
            return said.decode(errors="replace")
    raise AssertionError(f"{name} says nothing to {script}")


@pytest.mark.usefixtures("secrets")
def test_the_tasks_join_what_plain_compose_has_started(secure: Checkout) -> None:
    secure.run("smoke")
    assert secure.json("access", "drift") == []
    days = {row["name"]: row["days_left"] for row in secure.json("certs", "show")}
    assert {days[name] for name in (*SERVICES[:3], "schema-registry", "kafka-connect", "admin")} == {89}
    test_secure.test_events_come_into_the_table(secure)


test_failover = test_secure_load.test_failover_is_valid_over_it


def test_another_start_makes_nothing_anew(secure: Checkout, secrets: Secrets) -> None:
    files = [path for path in secrets.folder.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    up(secure)
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


def test_a_container_reads_its_own_key_and_no_other(containers: dict[str, Container]) -> None:
    read = "cat {} 2>&1 | grep -c 'PRIVATE KEY' || true"
    everything = {"kafka-connect": "/opt/kafka/connect/secrets", "postgres": "/run/secrets"}
    for name in (*SERVICES[:3], "schema-registry", *everything):
        own, others = (
            inside(containers, name, read.format(f"{folder}/keystore.pem")).strip()
            for folder in ("/etc/kafka/tls", f"{everything.get(name, '/none')}/kafka/*")
        )
        assert (own, others) == ("0" if name == "postgres" else "2", "0"), name


def test_no_password_is_in_what_the_engine_knows(
    secure: Checkout, secrets: Secrets, containers: dict[str, Container]
) -> None:
    shown: dict[str, bytes] = {}
    for name, each in containers.items():
        shown[f"inspection of {name}"] = json.dumps(each.attrs).encode()
        shown[f"log of {name}"] = each.logs()
        if each.status == "running":
            said = inside(containers, name, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ")
            assert "\0PATH=" in said, (name, said)
            shown[f"arguments and environments of {name}"] = said.encode()
    assert {"inspection of kafka-access", "log of kafka-certificates"} <= shown.keys()
    assert test_secure.leaks(chain(shown.items(), test_secure.told(secure)), test_secure.hidden(secure, secrets)) == []
