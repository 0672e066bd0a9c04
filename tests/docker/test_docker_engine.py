"""What only a real engine shows: published addresses, limits, networks, build, fail-fast, and that all of it ends."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from backbone import clients
from backbone.errors import StackError
from backbone.stack import compose, lifecycle
from backbone.stack.engine import Stack, open_stack
from backbone.wait import wait_until
from tests.docker import checkout, prometheus
from tests.docker.conftest import UP_TIMEOUT_S, no_display, quiet

if TYPE_CHECKING:
    from backbone.stack.engine.docker.engine import DockerEngine

_SCRAPED_S = 60
_NOT_SCRAPED = {"kafka-connect-user", "kafka-folders", "kafka-topics", "postgres", "postgres-password"}


def test_every_started_service_is_healthy_and_every_one_shot_has_ended_well(docker_stack: Stack) -> None:
    states = docker_stack.engine.states(list(docker_stack.model.services))
    assert {state.name: state.health for state in states if state.health != "healthy"} == {}
    done = {state.name for state in states if state.detail == "completed"}
    assert done == {"kafka-connect-user", "kafka-folders", "kafka-topics", "postgres-password"}


def test_the_topics_of_the_file_are_there_without_any_task(docker_stack: Stack) -> None:
    with clients.admin(docker_stack.bootstrap) as client:
        assert "events-topic" in client.list_topics()


def test_every_port_is_published_on_loopback_only(docker_engine: DockerEngine) -> None:
    bindings = [
        binding
        for view in docker_engine.views().values()
        for items in (view.attributes["NetworkSettings"]["Ports"] or {}).values()
        for binding in items or ()
    ]
    assert len(bindings) >= 5
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


def test_limits_hold_inside_the_containers(docker_stack: Stack, docker_engine: DockerEngine) -> None:
    for name, view in docker_engine.views().items():
        service, host = docker_stack.model[name], view.attributes["HostConfig"]
        assert host["Memory"] == service.mem_limit > 0, name
        assert host["NanoCpus"] == float(service.raw["cpus"]) * 1e9, name
        assert host["PidsLimit"] == 2048, name
        assert host["LogConfig"]["Config"]["max-size"] == "10m", name
    wanted = docker_stack.model["kafka-1"]
    code, said = docker_engine.exec(
        "kafka-1",
        [
            "bash",
            "-c",
            "ulimit -n; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null",
        ],
    )
    assert code in (0, 1)  # one of the two files exists, by control group version
    assert said.split()[:2] == [str(wanted.raw["ulimits"]["nofile"]["soft"]), str(wanted.mem_limit)]


def test_no_health_check_starts_a_virtual_machine(docker_stack: Stack) -> None:
    for name, service in docker_stack.model.services.items():
        words = " ".join(map(str, (service.raw.get("healthcheck") or {}).get("test", ())))
        assert "java" not in words, name
        assert "/bin/kafka-" not in words, name


def test_every_advertised_listener_is_reached_from_where_its_clients_are(docker_engine: DockerEngine) -> None:
    assert docker_engine.unreachable(docker_engine.model) == []
    docker_engine.disconnect("kafka-2")
    try:
        missing = docker_engine.unreachable(docker_engine.model)
    finally:
        docker_engine.reconnect("kafka-2")
    assert any("INTERNAL://kafka-2" in item for item in missing)
    assert not any("INTERNAL://kafka-1" in item for item in missing)
    wait_until(
        lambda: not docker_engine.unreachable(docker_engine.model), what="kafka-2 to be back on the network", timeout=30
    )


def test_prometheus_reaches_every_target_that_runs_and_sees_a_lost_broker(
    docker_stack: Stack, docker_engine: DockerEngine
) -> None:
    running = {name for name in docker_stack.model.services if name not in _NOT_SCRAPED}
    wait_until(
        lambda: running <= prometheus.up_targets(docker_stack),
        what="every target to be up",
        timeout=_SCRAPED_S,
        interval=1,
        last_seen=lambda: f"missing: {sorted(running - prometheus.up_targets(docker_stack))}",
    )
    docker_engine.signal("kafka-3", signal.SIGKILL)
    wait_until(
        lambda: "BrokerDown" in _alerts(docker_stack),
        what="the alert BrokerDown",
        timeout=2 * _SCRAPED_S,
        interval=1,
    )
    lifecycle.up(docker_stack, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
    wait_until(
        lambda: "BrokerDown" not in _alerts(docker_stack), what="the alert to end", timeout=_SCRAPED_S, interval=1
    )


def test_a_broker_that_cannot_start_is_named_with_its_exit_code_and_words(
    engine: dict[str, str], docker_stack: Stack, tmp_path: Any
) -> None:
    del docker_stack  # its images are the ones this stack uses
    settings = checkout.fresh(tmp_path / "clone", "e2e-broken", environ=engine)
    checkout.assign(settings, KAFKA_JVM_PERFORMANCE_OPTS="-XX:+NoSuchOption")
    whole = open_stack(settings, ["messaging"], "docker", no_display)
    broken = Stack(settings, whole.model.only(["kafka-1", "kafka-folders"]), whole.engine)
    try:
        with pytest.raises(StackError) as raised:
            lifecycle.up(broken, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
    finally:
        lifecycle.nuke(broken, print)
    assert raised.value.reference in ("service-died", "service-failed")
    assert "kafka-1" in raised.value.message
    assert raised.value.context is not None
    assert "exit code 1" in raised.value.context
    assert "NoSuchOption" in raised.value.context


def test_plain_compose_agrees_with_the_task(docker_stack: Stack, engine: dict[str, str]) -> None:
    settings = docker_stack.settings
    done = subprocess.run(
        [str(compose.binary()), "--profile", "*", "up", "--detach", "--wait", *docker_stack.model.services],
        cwd=settings.root,
        env={**settings.environ, **engine},
        capture_output=True,
        text=True,
        check=False,
        timeout=UP_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    assert "Recreated" not in done.stderr


def _alerts(stack: Stack) -> set[str]:
    return {labels["alertname"] for labels in prometheus.firing(stack)}
