"""What a person sees. Data goes to stdout, words to stderr; rich decides on colour (NO_COLOR, terminals, CI)."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from backbone.errors import as_typed, is_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from backbone.errors import StackError

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_GAP = 2  # blanks between two columns
_FEW = 10  # below it a tenth of a unit counts

words = Console(stderr=True, highlight=False, soft_wrap=True)
data = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a sentence for a person; rich markup is understood."""
    words.print(as_typed(text))


def print_json(value: object) -> None:
    """Print one JSON document on stdout, the only thing that goes there."""
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    json.dump(value, sys.stdout, indent=2, default=str, ensure_ascii=ascii_only)
    sys.stdout.write("\n")


def write_lines(lines: Iterable[str]) -> None:
    """Print lines of data as they are."""
    sys.stdout.writelines(line + "\n" for line in lines)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None, spare: Sequence[str] = ()
) -> None:
    """Print rows on stdout: a table on a terminal, tab-separated lines with a header elsewhere.

    spare: columns that a narrow terminal does without, the first one first, so that the others keep their words whole.
    """
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not data.is_terminal:
        for row in (columns, *texts):
            sys.stdout.write("\t".join(row) + "\n")
        return
    kept = _kept(columns, texts, spare, data.width)
    table = Table(*(columns[at] for at in kept), title=title, box=None, pad_edge=False, header_style="bold")
    for row in texts:
        table.add_row(*(escape(row[at]) for at in kept))
    data.print(table, soft_wrap=False)


def _kept(columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str], width: int) -> list[int]:
    """Return the places of the columns that are shown: without those that hold nothing, and as many as find room."""
    filled = [at for at in range(len(columns)) if columns[at] or any(row[at] for row in rows)]
    widths = {at: max(map(len, (columns[at], *(row[at] for row in rows)))) for at in filled}
    for name in spare:
        if sum(widths.values()) + _GAP * (len(widths) - 1) <= width:
            break
        widths.pop(columns.index(name), None)
    return list(widths)


def duration(seconds: float) -> str:
    """Return a time as a person says it: 42 s, 12 min, 3 h 25 min, 4 d 2 h."""
    whole = round(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def size(count: float) -> str:
    """Return bytes as a person says them: 512 KiB, 87 MiB, 1.4 GiB."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= bytes_:
            value = count / bytes_
            return f"{value:.1f} {unit}" if value < _FEW else f"{value:.0f} {unit}"
    return f"{count / 1024:.0f} KiB"


def print_error(error: StackError) -> None:
    """Print a failure: what, the evidence, what to do next."""
    words.print(f"[bold red]error[/]\\[{error.reference}]: {escape(error.message)}")
    if error.context:
        for line in error.context.splitlines():
            words.print(f"  [dim]|[/] {escape(line)}")
    if error.hint:
        print_hint(error.hint, "  [bold]= help:[/] ", "  [bold]= note:[/] ")


def print_hint(hint: str, command: str, note: str) -> None:
    """Print each line of a hint, after one label for commands and another one for words."""
    for line in hint.splitlines():
        words.print((command if is_command(line) else note) + escape(as_typed(line)))


def confirm(question: str) -> bool:
    """Ask a person on a terminal; no terminal means no."""
    if not (sys.stdin.isatty() and words.is_terminal):
        return False
    words.print(f"{escape(question)} \\[y/N] ", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


@contextmanager
def download(files: int, total: int) -> Iterator[Callable[[int], None]]:
    """Show a download of so many files and bytes: a bar on a terminal, a line every tenth elsewhere."""
    label = f"downloading {files} files"
    if words.is_terminal:
        columns = (
            TextColumn(label),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=words, transient=True) as progress:
            bar = progress.add_task(label, total=total)
            yield lambda count: progress.advance(bar, count)
    else:
        say(f"{label}, {total / 1e6:.0f} MB (once; kept in the cache)")
        yield _Tenths(total)
    say(f"downloaded {files} files, {total / 1e6:.0f} MB")


class _Tenths:
    """Prints a line for each tenth of a download."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._said = 0

    def __call__(self, count: int) -> None:
        self._done += count
        tenth = min(10, 10 * self._done // max(self._total, 1))
        if tenth > self._said:
            self._said = tenth
            say(f"  {tenth * 10} %")


class Waiting:
    """Shows the snapshots of a wait: a live table on a terminal, a line for each change elsewhere."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._live: Live | None = None
        self._seen: dict[str, str] = {}

    def __enter__(self) -> Self:
        if words.is_terminal:
            self._live = Live(console=words, transient=True, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, rows: Sequence[tuple[str, str]], note: str, waited: float) -> None:
        """Show (service, word) rows, what is still missing and the seconds waited."""
        if self._live:
            table = Table.grid(padding=(0, 2))
            for name, word in rows:
                table.add_row(_GLYPHS.get(word, " "), name, word)
            head = f"[bold]{waited:.0f} s[/] of {duration(self._timeout)}" + (f": {escape(note)}" if note else "")
            self._live.update(Group(Text.from_markup(head, overflow="fold"), table))
            return
        for name, word in (*rows, ("cluster", note or "ready")):
            if self._seen.get(name) != word:
                self._seen[name] = word
                say(f"  {waited:5.1f} s  {name}: {word}")


_GLYPHS = {
    "healthy": "[green]✔[/]",
    "starting": "[yellow]…[/]",
    "exited": "[red]✘[/]",
    "unavailable": "[dim]-[/]",
}
