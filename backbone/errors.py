"""The one error type: what was found, where, why, and what to do next.

Everything we understand is raised as a StackError where it is first known and rendered once, by
scripts.tasks. docs/errors.md lists the exit codes.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAM = "BACKBONE_PROGRAM"
"""Environment variable: what the user typed to start this (`./invoke`, `../invoke`, `backbone`, …)."""

LINTER = "kafka-compose-lint"
"""The program that has the linter's tasks only, and needs no word for `lint`."""

_PROGRAMS = frozenset(
    (
        "./invoke",
        "cat",
        "cd",
        "chmod",
        "cp",
        "curl",
        "df",
        "docker",
        "export",
        "git",
        "ls",
        "mv",
        "nox",
        "rm",
        "sudo",
        "ulimit",
        "unset",
    )
)
_TASK = re.compile(r"(?<![\w./-])\./invoke (?=[a-z-])")
_REFERENCE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class ExitCode(IntEnum):
    """What a task tells the shell."""

    OK = 0
    FINDINGS = 1  # the question was answered, and the answer is no
    USAGE = 2  # a flag, a file or a variable is wrong
    NOTHING = 3  # nothing to work on, or a stage could not run
    ENVIRONMENT = 4  # a port, a disk, an engine, a broker, the network
    TIMEOUT = 5  # something timed out
    INTERRUPTED = 130  # Ctrl-C


@dataclass(eq=False)  # not frozen: contextlib assigns __traceback__ to an exception that passes through
class StackError(Exception):
    """A failure we understand.

    reference: kebab-case name, stable over releases. message: one sentence, with the value that was found.
    context: the evidence (a probe's output, a file position, log lines). hint: what to do next, a line each: commands
    that can be pasted as they stand, and words (see is_command).
    """

    reference: str
    message: str
    context: str | None = None
    hint: str | None = None
    exit_code: ExitCode = ExitCode.FINDINGS

    def __post_init__(self) -> None:
        if not _REFERENCE.fullmatch(self.reference):
            raise ValueError(f"not a kebab-case reference: {self.reference!r}")
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.reference}: {self.message}"

    def as_dict(self) -> dict[str, object]:
        """Return the error as the value `--json` prints under "error"."""
        return {
            "reference": self.reference,
            "message": self.message,
            "context": self.context,
            "hint": self.hint and as_typed(self.hint),
            "exit_code": int(self.exit_code),
        }


def is_command(line: str) -> bool:
    """Say whether a line of a hint is a command; any other is words, and names no task.

    A command stands alone in its line, with no comment behind it: zsh takes `#` for an argument when it is pasted.
    """
    first = line.partition(" ")[0]
    return first in _PROGRAMS or first.startswith(("/", "'/"))


def as_typed(text: str) -> str:
    """Return words in which `./invoke TASK` stands as the user can paste it: with the program that was started.

    Messages are written for a checkout's root. Elsewhere the program has another path, or another name.
    """
    program = os.environ.get(PROGRAM)
    if not program:
        return text
    if program == LINTER:
        text = text.replace("./invoke lint ", "./invoke ")
    return _TASK.sub(lambda _: f"{shlex.quote(program)} ", text)


def meant(word: str, known: Iterable[str]) -> str:
    """Return what somebody who mistyped a name probably meant, as the end of a sentence; "" if nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
