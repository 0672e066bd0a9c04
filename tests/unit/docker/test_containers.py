"""What a container's inspection means: phase, health, and who is to blame."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backbone.stack.engine.docker.containers import ContainerView, telling, used_memory

NOW = datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)


def container(
    status: str = "running", *, exit_code: int = 0, health: str = "", oom: bool = False, once: bool = False, **more: Any
) -> ContainerView:
    """Return a container as `docker inspect` shows it, shortened."""
    checks = [{"ExitCode": 1, "Output": "connect: refused\n"}]
    state = {
        "Status": status,
        "ExitCode": exit_code,
        "OOMKilled": oom,
        "Pid": 42 if status == "running" else 0,
        "StartedAt": "2026-11-22T10:00:00.123456789Z",
        "Error": "",
    } | ({"Health": {"Status": health, "Log": checks}} if health else {})
    return ContainerView(
        "kafka-1",
        {
            "Id": "0123456789abcdef",
            "State": state,
            "HostConfig": {"Memory": 64 << 20, "RestartPolicy": {"Name": "no" if once else "unless-stopped"}},
            "NetworkSettings": {"Ports": {"9092/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9092"}], "1/tcp": None}},
            "RestartCount": 0,
        }
        | more,
    )


@pytest.mark.parametrize(
    ("view", "phase", "health"),
    [
        (container(), "running", ""),
        (container(health="starting"), "starting", "starting"),
        (container(health="healthy"), "running", "healthy"),
        (container(health="unhealthy"), "starting", "unhealthy"),
        (container("paused", health="healthy"), "paused", "healthy"),
        (container("restarting"), "exited", ""),
        (container(health="starting", RestartCount=1), "starting", "starting"),
        (container(health="starting", RestartCount=2), "exited", "starting"),
        (container(health="healthy", RestartCount=5), "running", "healthy"),
        (container("created"), "stopped", ""),
        (container("exited", exit_code=137), "exited", ""),
        (container("exited", once=True), "stopped", "healthy"),
        (container("exited", exit_code=143, health="unhealthy"), "stopped", ""),
        (container("exited", exit_code=1, once=True), "exited", ""),
    ],
)
def test_phase_and_health(view: ContainerView, phase: str, health: str) -> None:
    state = view.as_state(NOW)
    assert (state.phase, state.health) == (phase, health)


def test_a_running_container_is_told_in_full() -> None:
    state = container(health="healthy").as_state(NOW)
    assert state.identity == "container 0123456789ab"
    assert (state.pid, state.ports, state.uptime, state.exit_code) == (42, (9092,), 30.0, None)


@pytest.mark.parametrize(
    ("view", "failed"),
    [
        (container(), False),
        (container("exited"), False),
        (container("exited", exit_code=1), True),
        (container("exited", exit_code=143, health="unhealthy"), False),
        (container(RestartCount=1, health="starting"), True),
        (container(RestartCount=1, health="healthy"), False),
        (container("exited", RestartCount=1), False),  # brought back once, and stopped since
        (container(health="unhealthy"), True),
        (container(health="starting"), False),
    ],
)
def test_what_counts_as_failed(view: ContainerView, *, failed: bool) -> None:
    assert view.failed is failed


def test_the_verdict_names_exit_code_memory_health_and_the_first_error() -> None:
    log = ["starting", "[x] ERROR no space left", "at A", "[x] ERROR later"]
    said = container("exited", exit_code=137, oom=True, health="unhealthy", RestartCount=3).verdict(log)
    assert said.splitlines() == [
        "status exited, exit code 137, killed for memory (limit 64 MiB), restarted 3 times",
        "last health check: exit 1, connect: refused",
        *log,
    ]


def test_without_an_error_the_last_lines_speak() -> None:
    assert telling([f"line {number}" for number in range(50)]) == [f"line {number}" for number in range(38, 50)]


@pytest.mark.parametrize("cache", ["total_inactive_file", "inactive_file"])
def test_memory_is_without_the_cache_that_could_be_given_back(cache: str) -> None:
    assert used_memory({"memory_stats": {"usage": 100, "stats": {cache: 30}}}) == 70
    assert used_memory({"memory_stats": {}}) is None
