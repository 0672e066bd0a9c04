"""Who uses a stack: the first starts it, the last stops it, a killed one does not count."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from backbone.testing.shared import Users

if TYPE_CHECKING:
    from pathlib import Path

USER = (
    "import sys\nfrom pathlib import Path\nfrom backbone.testing.shared import Users\n"
    "users = Users(Path(sys.argv[1]))\n"
    "with users.lock():\n    users.enter(started=sys.argv[2] == 'starts')\n"
    "print('in', flush=True)\nsys.stdin.readline()\n"
    "with users.lock():\n    print(users.leave(keep=False), flush=True)\n"
)


def other(folder: Path, how: str = "joins") -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", USER, str(folder), how]
    found = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert found.stdout is not None
    assert found.stdout.readline() == "in\n"
    return found


def users(folder: Path) -> Users:
    found = Users(folder)
    folder.mkdir(exist_ok=True)
    return found


def test_who_found_it_running_does_not_stop_it(tmp_path: Path) -> None:
    own = users(tmp_path)
    own.enter(started=False)
    assert own.leave(keep=False) is False


def test_the_last_one_stops_what_the_first_has_started(tmp_path: Path) -> None:
    own = users(tmp_path)
    own.enter(started=True)
    with other(tmp_path) as second:
        assert own.leave(keep=False) is False
        said, _ = second.communicate("\n")
        assert said == "True\n"


def test_one_that_was_killed_does_not_count_and_its_stack_is_stopped_by_the_next(tmp_path: Path) -> None:
    own = users(tmp_path)
    with other(tmp_path, "starts") as first:
        first.kill()
        first.wait()
    own.enter(started=False)
    assert own.leave(keep=False) is True


def test_kept_it_is_nobodys(tmp_path: Path) -> None:
    own = users(tmp_path)
    own.enter(started=True)
    assert own.leave(keep=True) is False
    own.enter(started=False)
    assert own.leave(keep=False) is False
