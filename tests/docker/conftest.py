"""An engine (found, else private with stand-in images), and the stack running on it and on the embedded one."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING

import docker
import pytest

from backbone.errors import StackError
from backbone.stack import lifecycle, readiness
from backbone.stack.engine import Stack, open_stack
from backbone.stack.engine.docker import connection
from backbone.stack.engine.docker.engine import DockerEngine
from backbone.stack.engine.embedded import artifacts
from backbone.stack.settings import Settings
from tests import ROOT
from tests.docker import checkout, private, stand_ins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UP_TIMEOUT_S = 150
_PROFILES = ("messaging", "data", "obs", "core")
_ENGINE_VARIABLES = ("DOCKER_HOST", "DOCKER_BUILDKIT")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Yield the variables that lead to an engine: the one that answers, else a private one with stand-ins."""
    with contextlib.ExitStack() as stack:
        try:
            connection.connect(Settings())
            yield {key: os.environ[key] for key in _ENGINE_VARIABLES if key in os.environ}
        except StackError:
            if reason := private.obstacle():
                pytest.fail(f"no Docker engine answers, and {reason}")
            host = stack.enter_context(private.private_engine())
            _load_stand_ins(host, tmp_path_factory.mktemp("images"))
            yield {"DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"}  # it has no buildx


def _load_stand_ins(host: str, workdir: Path) -> None:
    lock = artifacts.read_lock(ROOT / "infra" / "artifacts.lock.json")
    with contextlib.closing(docker.DockerClient(host, timeout=120)) as client:
        for name, image in stand_ins.all_images(lock, Settings().cache_dir, workdir):
            stand_ins.load(client, name, image)


@pytest.fixture(scope="session")
def docker_settings(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the checkout whose stack is started."""
    return checkout.fresh(tmp_path_factory.mktemp("clone"), "e2e-docker", environ=engine)


@pytest.fixture(scope="session")
def docker_stack(docker_settings: Settings) -> Iterator[Stack]:
    """Yield the stack of all four profiles, started on Docker; with stand-ins, as much of it as they are for."""
    whole = open_stack(docker_settings, _PROFILES, "docker", no_display)
    stack = _runnable(whole)
    started = time.monotonic()
    try:
        lifecycle.up(stack, timeout=UP_TIMEOUT_S, progress=_say, watch=quiet)
        _write_verdict(whole, stack, time.monotonic() - started)
        yield stack
    finally:
        lifecycle.nuke(whole, _say)


@pytest.fixture(scope="module")
def embedded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield the three brokers of a checkout, started as processes."""
    settings = checkout.fresh(tmp_path_factory.mktemp("clone"), "e2e-embedded")
    stack = open_stack(settings, ["messaging"], "embedded", no_display)
    brokers = Stack(settings, stack.model.only(stack.brokers), stack.engine)
    try:
        lifecycle.up(brokers, timeout=UP_TIMEOUT_S, progress=_say, watch=quiet)
        yield brokers
    finally:
        lifecycle.nuke(brokers, _say)


@pytest.fixture(scope="module", params=["docker", "embedded"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Return the stack on each engine in turn."""
    found = request.getfixturevalue(f"{request.param}_stack")
    assert isinstance(found, Stack)
    return found


@pytest.fixture(scope="session")
def docker_engine(docker_stack: Stack) -> DockerEngine:
    """Return the Docker engine, for what only it can tell."""
    assert isinstance(docker_stack.engine, DockerEngine)
    return docker_stack.engine


def _runnable(whole: Stack) -> Stack:
    """Return the whole stack, or, on an engine with stand-ins, the services whose image those or the build provide."""
    assert isinstance(whole.engine, DockerEngine)
    images = whole.engine.client.images
    if not images.list(filters={"label": stand_ins.LABEL}):
        return whole
    here = {tag for image in images.list() for tag in image.tags}
    built = {service.image for service in whole.model.services.values() if "build" in service.raw}
    names = [name for name, service in whole.model.services.items() if service.image in here | built]
    return Stack(whole.settings, whole.model.only(names), whole.engine)


def _write_verdict(whole: Stack, stack: Stack, seconds: float) -> None:
    """Say what was started and what was only checked as configuration, on the terminal and in results/."""
    only_config = sorted(set(whole.model.services) - set(stack.model.services))
    verdict = {
        "started": sorted(stack.model.services),
        "configuration_only": only_config,
        "seconds_to_ready": round(seconds, 1),
    }
    folder = Settings().results_dir / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdict.json").write_text(json.dumps(verdict, indent=2) + "\n", encoding="utf-8")
    _say(f"started {len(stack.model.services)} services in {seconds:.1f} s")
    _say(f"configuration only, no image here: {', '.join(only_config) or 'none'}")


def quiet(snapshot: readiness.Snapshot) -> None:
    """Watch a wait without a word."""


def _say(text: str) -> None:
    print(text)  # noqa: T201 - pytest shows it where something fails, and all of it with -s


def no_display(files: int, total: int) -> contextlib.AbstractContextManager[object]:
    """Download without showing it."""
    return contextlib.nullcontext(lambda _count: None)
