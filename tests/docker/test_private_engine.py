"""A private engine leaves nothing behind, however the run that asked for it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backbone.wait import wait_until
from tests.docker import private

_RUN = """
import sys
from tests.docker import private
with private.private_engine() as host:
    print(host, flush=True)
    sys.stdin.read()
"""
_GONE_S = 30

pytestmark = pytest.mark.skipif(private.obstacle() is not None, reason=str(private.obstacle()))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_engine_ends_with_the_run_that_started_it(ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RUN],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip().removeprefix("unix://")).parent
        assert (folder / "docker.sock").exists()
        run.send_signal(ending)
    wait_until(
        lambda: not [item for item in private.leftovers() if folder.name in item],
        what="the engine to be gone",
        timeout=_GONE_S,
        last_seen=lambda: str(private.leftovers()),
    )


def test_what_a_killed_supervisor_left_is_swept() -> None:
    with private.private_engine() as host:
        folder = Path(host.removeprefix("unix://")).parent
        stale = folder.with_name(folder.name + "-stale")
        (stale / "data").mkdir(parents=True)
        (stale / "lock").touch()
        swept = private.sweep()
    assert swept == [stale]
    assert not stale.exists()
