"""The task that measures how fast the stack starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import StackError
from scripts.tasks.command import command

if TYPE_CHECKING:
    from invoke import Context


@command(help={"rounds": "starts with and without the start-up cache, in turn (default 3)", "json": "print JSON"})
def startup(c: Context, rounds: int = 3, json: bool = False) -> None:
    """Measure starts of the embedded engine with and without the JVM's start-up cache; kept in results/."""
    import json as codec
    import time

    from backbone import console
    from scripts.maintain import start_benchmark as library
    from scripts.tasks import opening

    own = opening.stack(None, "embedded", quiet=json)
    if any(state.pid for state in own.engine.states()):
        raise StackError("stack-runs", "the stack runs; its start can't be measured", hint="./invoke down")
    result = library.summary(library.measure(opening.scratch, rounds, console.say))
    folder = own.settings.results_dir / time.strftime("startup-%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    (folder / "startup.json").write_text(codec.dumps(result, indent=2) + "\n", encoding="utf-8")
    if json:
        console.print_json(result)
    else:
        console.print_table(("FIGURE", "VALUE"), result.items())
    console.say(f"kept in {folder}")
