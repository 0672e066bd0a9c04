"""Requirements and their proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from scripts.tasks.command import command

if TYPE_CHECKING:
    from invoke import Context


@command(
    help={
        "write": "write docs/traceability.md",
        "check": "say also whether docs/traceability.md is up to date",
        "json": "as JSON",
    }
)
def trace(c: Context, *, write: bool = False, check: bool = False, json: bool = False) -> ExitCode:
    """Show what proves each requirement; exits 1 when one has no proof or a proof is gone."""
    del c
    from backbone import console
    from backbone.lint import engine
    from backbone.stack.settings import Settings
    from scripts.maintain import traceability as tracing

    root = Settings().root
    rules = engine.load_rules()
    found = tracing.trace(root, rules)
    text = tracing.page(found, rules)
    path = root / tracing.PAGE_FILE
    if write:
        path.write_text(text, encoding="utf-8")
    if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
        raise StackError(
            "stale-page", f"{tracing.PAGE_FILE} is not what the requirements say", hint="./invoke trace --write"
        )
    if json:
        console.print_json(found.as_dict())
    else:
        rows = [
            (each.id, "yes" if each.proven else "NO", ", ".join(f"{p.kind} {p.name}" for p in each.proofs) or "-")
            for each in found.requirements
        ]
        console.print_table(["requirement", "proven", "by"], rows)
        for problem in found.problems:
            console.say(f"[bold red]error[/]: {problem}")
        proven = sum(each.proven for each in found.requirements)
        console.say(f"{proven} of {len(found.requirements)} requirements are proven")
    return ExitCode.FINDINGS if found.problems else ExitCode.OK
