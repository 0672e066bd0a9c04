"""The task that shows every stack of this machine, also those that nobody remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from invoke import Context

    from backbone.stack.engine.embedded.census import Found


@command(
    help={
        "stop_gone": "stop those whose folder is gone: no other task can reach them",
        "make": "make the private stack of this name, without starting it, and print its folder",
        "json": "print JSON",
    }
)
def stacks(c: Context, stop_gone: bool = False, make: str = "", json: bool = False) -> None:
    """List this user's stacks on this machine (without Docker): where, since when, and how much memory they take."""
    import os

    from backbone import console
    from backbone.stack import private
    from backbone.stack.engine.embedded import census

    if make:
        console.write_lines([str(private.ensure(make, dict(os.environ)).root)])
        return
    found = census.find()
    if json:
        console.print_json({"stacks": [_value(each) for each in found]})
    else:
        console.print_table(("FOLDER", "SERVICES", "SINCE", "MIB", ""), [_row(each) for each in found])
    if stop_gone and (gone := [each for each in found if each.gone]):
        console.say(f"stopping {len(gone)} stack{'s' if gone[1:] else ''} whose folder is gone")
        console.say(f"{len(census.stop(gone))} processes have ended")
    elif any(each.gone for each in found):
        console.say("the folder of some is gone: ./invoke stacks --stop-gone")


def _value(found: Found) -> dict[str, object]:
    from datetime import UTC, datetime

    return {
        "folder": str(found.folder),
        "services": list(found.services),
        "pids": list(found.pids),
        "since": datetime.fromtimestamp(found.since, UTC).isoformat(timespec="seconds"),
        "memory": found.memory,
        "gone": found.gone,
    }


def _row(found: Found) -> tuple[object, ...]:
    value = _value(found)
    note = "its folder is gone" if found.gone else ""
    return (found.folder, ", ".join(found.services), value["since"], found.memory >> 20, note)
