"""What a person sees. Data goes to stdout, words to stderr; rich decides on colour (NO_COLOR, terminals, CI)."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scripts.errors import StackError

words = Console(stderr=True, highlight=False, soft_wrap=True)
data = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a sentence for a person; rich markup is understood."""
    words.print(text)


def print_json(value: object) -> None:
    """Print one JSON document on stdout, the only thing that goes there."""
    json.dump(value, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Print rows on stdout: a table on a terminal, tab-separated lines with a header elsewhere."""
    if not data.is_terminal:
        for row in (columns, *rows):
            sys.stdout.write("\t".join("" if cell is None else str(cell) for cell in row) + "\n")
        return
    table = Table(*columns, title=title, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    data.print(table)


def print_error(error: StackError) -> None:
    """Print a failure: what, the evidence, what to do next."""
    words.print(f"[bold red]error[/]\\[{error.reference}]: {escape(error.message)}")
    if error.context:
        for line in error.context.splitlines():
            words.print(f"  [dim]|[/] {escape(line)}")
    if error.hint:
        head, *rest = error.hint.splitlines()
        words.print(f"  [bold]= help:[/] {escape(head)}")
        for line in rest:
            words.print(f"          {escape(line)}")
