"""The task that makes a home: a stack's plain files in somebody's own repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode

from .command import command

if TYPE_CHECKING:
    from invoke import Context


@command(
    unless={"folder": "diff"},
    help={
        "folder": "where to write; made if it is missing (with --diff: the home you stand in, if not given)",
        "diff": "write nothing; show what this version would change, exit 1 if anything",
        "overwrite": "also replace files that differ",
    },
)
def init(_c: Context, folder: str = "", *, diff: bool = False, overwrite: bool = False) -> ExitCode:
    """Write the stack's plain files into a folder: plain Docker Compose works there, and so does every task."""
    import shlex
    import sys
    from pathlib import Path

    from rich.markup import escape

    from backbone import console
    from backbone.stack import home

    target = Path(folder).resolve() if folder else home.here()
    changes = home.changes(target)
    if diff:
        for change in changes:
            sys.stdout.write(change.diff())
        sys.stdout.flush()
        console.say(escape(f"{len(changes)} files of {target} would change" if changes else f"{target} is up to date"))
        return ExitCode.FINDINGS if changes else ExitCode.OK
    home.write(target, changes, overwrite=overwrite)
    console.write_lines(str(change.path) for change in changes)
    console.say(escape(f"{len(changes)} files written to {target}" if changes else f"{target} is up to date"))
    console.say(f"next: cd {escape(shlex.quote(folder))}; ./invoke up, or docker compose --profile messaging up -d")
    return ExitCode.OK
