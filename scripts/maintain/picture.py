"""The README's picture: a real first session in a terminal, as an SVG that anybody can make again."""

from __future__ import annotations

import argparse
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from backbone import console
from backbone.errors import ExitCode, StackError
from backbone.stack.settings import Settings
from scripts.maintain import program

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path("docs", "images", "first-session.svg")
COMMANDS = (("up",), ("smoke",), ("status",))
COLUMNS = 110
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_READ_BYTES = 65536


def recorded(words: Sequence[str]) -> str:
    """Return what a task prints on a terminal of COLUMNS columns, colours included.

    Raises StackError("task-failed") with its last lines when it does not end well.
    """
    leader, follower = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-m", "invoke", *words],
        cwd=Settings().root,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    ) as process:
        os.close(follower)
        seen = io.BytesIO()
        try:
            while chunk := os.read(leader, _READ_BYTES):
                seen.write(chunk)
        except OSError:  # Linux says EIO, not end of file, when the other end is closed
            pass
        os.close(leader)
    text = seen.getvalue().decode()
    if process.returncode:
        raise StackError("task-failed", f"{' '.join(words)} ended with {process.returncode}", context=text[-500:])
    return settled(text)


def settled(text: str) -> str:
    """Return what stays on the screen: lines that were erased or written over while the task waited are left out."""
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        # Waiting draws a block, moves up over it and erases it line by line before it goes on.
        for _ in range(line.count("\x1b[1A")):
            if lines:
                lines.pop()
        kept = re.split(r"\r|\x1b\[2K|\x1b\[1A", line)[-1]
        lines.append(re.sub(r"\x1b\[\?25[lh]", "", kept))
    return "\n".join(lines).rstrip()


def drawn(session: Sequence[tuple[str, str]]) -> str:
    """Return commands with their output as an SVG that needs no font and nothing else from the network."""
    terminal = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    for command, output in session:
        terminal.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        terminal.print(Text.from_ansi(output))
        terminal.print()
    svg = _FONT_FACE.sub("", terminal.export_svg(title="messaging-backbone", unique_id="session"))
    return svg.replace("Fira Code", "ui-monospace, Menlo, Consolas, monospace") + "\n"


def main(argv: Sequence[str]) -> ExitCode:
    """Run the README's first commands on the embedded engine and write docs/images/first-session.svg."""
    argparse.ArgumentParser(prog="nox -s picture", description=main.__doc__).parse_args(argv)
    os.environ["STACK_ENGINE"] = "embedded"
    try:
        session = [(" ".join(("./invoke", *words)), recorded(words)) for words in COMMANDS]
    finally:
        recorded(("down",))
    file = Settings().root / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawn(session), encoding="utf-8")
    console.say(f"written: {FILE}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
