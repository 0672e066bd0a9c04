"""Programs that come to their end while a service is being prepared: Kafka's own set-up, initdb, the compiler."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(
    argv: Sequence[str], *, reference: str, undone: str, timeout: int, **how: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code; how: as for subprocess.run.

    It holds the locks of this task until it ends (see `file_lock`), so who comes after a killed task waits for it.
    Raises StackError(reference), which says what was not done, if it takes more than `timeout` seconds.
    """
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=timeout, close_fds=False, **how
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(
            reference,
            f"{undone} after {timeout} s; the machine is very busy",
            hint="again, when the machine is less busy\n./invoke up",
            exit_code=ExitCode.TIMEOUT,
        ) from error
