"""Who comes after a task that was killed waits for what it had started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from filelock import Timeout

from backbone.file_lock import shared_with_helpers

if TYPE_CHECKING:
    from pathlib import Path

TASK = """
import subprocess, sys, time
from pathlib import Path
from backbone.file_lock import shared_with_helpers
lock = shared_with_helpers(Path(sys.argv[1]))
lock.acquire()
helper = subprocess.Popen(["sleep", "60"], close_fds=sys.argv[2] == "closed", stdout=subprocess.DEVNULL)
print(helper.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["helper", "closed"])
def test_a_helper_of_a_killed_task_holds_its_lock_and_a_service_does_not(kind: str, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", TASK, str(tmp_path / "lock"), kind], stdout=subprocess.PIPE) as task:
        assert task.stdout is not None
        helper = int(task.stdout.readline())
        task.kill()
    try:
        if kind == "helper":
            with pytest.raises(Timeout):
                shared_with_helpers(tmp_path / "lock").acquire(timeout=0)
    finally:
        os.kill(helper, signal.SIGKILL)
    shared_with_helpers(tmp_path / "lock").acquire(timeout=10 if kind == "helper" else 0)
