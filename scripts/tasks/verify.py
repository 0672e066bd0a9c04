"""The task that runs the verification stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from invoke import Context


@command(
    name="test", iterable=["session"], help={"session": "a nox session; repeat it for more (default: those `nox` runs)"}
)
def verify(c: Context, session: list[str] | None = None) -> None:
    """Run the verification stages: nox with its default sessions."""
    import os
    import sys
    from pathlib import Path

    noxfile = Path(__file__).parents[2] / "noxfile.py"
    argv = [sys.executable, "-I", "-m", "nox", "--noxfile", str(noxfile)]
    argv += [item for name in session or [] for item in ("--session", name)]
    # nox takes this task's place, so that its exit code and Ctrl-C are the shell's.
    os.execv(argv[0], argv)  # noqa: S606 - no shell is the point
