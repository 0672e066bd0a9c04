"""The task that keeps the picture of the stack true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from scripts.tasks.command import command

if TYPE_CHECKING:
    from invoke import Context


@command(help={"check": "change nothing; exit 1 if the page is not what the Compose files say"})
def architecture(_c: Context, check: bool = False) -> ExitCode:
    """Make the picture and the tables of docs/architecture.md from the Compose files with their defaults."""
    from backbone import console
    from backbone.stack import diagram
    from backbone.stack.settings import Settings

    settings = Settings()
    page = settings.root / "docs" / "architecture.md"
    model = diagram.with_defaults(settings)
    if not check:
        console.say(f"{page.name}: {'made anew' if diagram.update(page, model) else 'nothing to change'}")
        return ExitCode.OK
    if diagram.render(page.read_text(encoding="utf-8"), model) != page.read_text(encoding="utf-8"):
        raise StackError("page-stale", f"{page.name} is not what the Compose files say", hint="./invoke architecture")
    return ExitCode.OK
