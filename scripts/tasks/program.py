"""The program that runs the tasks, the same as `./invoke`, as `invoke` of an active environment, and as `backbone`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from invoke import Exit, ParseError, Program
from invoke.parser import Argument, Parser, ParserContext

from backbone import interpreter, resources
from backbone.errors import PROGRAM, ExitCode, StackError, meant

from . import completion
from .collection import collect

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from invoke import Collection

_NO_VALUE = re.compile(r"Flag <\w+: ([\w-]+).*> needed value")
_UNKNOWN_WORD = re.compile(r"No idea what '(.*)' is!")  # Invoke's parser; its exception has no field for the word
_HELP = ("--help", "-h")
_OTHER_NAMES = {"--config": "--set", "--bootstrap-server": "--bootstrap", "--from-beginning": "--from"}
"""What Kafka's own tools call it → what it is called here."""


class Tasks(Program):
    """Invoke's program without its own flags behind a task's name, with a list of tasks for no task at all.

    What is wrong with a command line is told like every other error, with what was probably meant, exit code USAGE.
    """

    def core_args(self) -> list[Argument]:
        """Return Invoke's flags, with those that name a collection: Invoke's own program knows them, too."""
        return [*super().core_args(), *self.task_args()]

    def parse_core(self, argv: Sequence[str] | None) -> None:
        """Answer a shell that asks for completion; else parse as Invoke does."""
        words = list(sys.argv if argv is None else argv)
        tasks = self.namespace
        if words[1:2] == ["--complete"] and tasks is not None:
            offered = completion.candidates(words[3:], tasks)
            sys.stdout.writelines(word + "\n" for word in offered)
            raise Exit
        if words[1:2] == ["--print-completion-script"]:
            shell = words[2] if len(words) > 2 else ""  # noqa: PLR2004 - program, flag, shell
            if shell not in completion.SCRIPTS:
                known = ", ".join(completion.SCRIPTS)
                self._refuse("unknown-shell", f"there is no completion for {shell!r}; there is for {known}")
            sys.stdout.write(completion.SCRIPTS[shell])
            raise Exit
        super().parse_core(words)

    def parse_tasks(self) -> None:
        """Parse the tasks; `TASK … --help` is its help, whatever else the task would have to be given."""
        words = self.core.unparsed
        if words and words[0] in self.collection.task_names and set(_HELP) & set(words):
            self.core[0].args.help.value = words[0]
            del words[1:]
            self.parser = self._make_parser()
            return
        try:
            super().parse_tasks()
        except ParseError as error:
            self._explain(error)

    def parse_cleanup(self) -> None:
        """Print lists and help; a task that is not there is told."""
        try:
            super().parse_cleanup()
        except ParseError as error:
            self._explain(error)

    def no_tasks_given(self) -> NoReturn:
        """List the tasks."""
        self.list_tasks()
        raise Exit

    def _make_parser(self) -> Parser:
        # Behind a task stand its own flags only: `topics create x --config k=v` is not about Invoke's configuration.
        of_each = ParserContext(args=[Argument(names=("help", "h"), optional=True)])
        return Parser(initial=of_each, contexts=self._contexts())

    def _contexts(self) -> list[ParserContext]:
        found: list[ParserContext] = self.collection.to_contexts(
            ignore_unknown_help=self.config.tasks.ignore_unknown_help
        )
        return found

    def _explain(self, error: ParseError) -> NoReturn:
        """Say what is wrong with the command line, and what was probably meant."""
        task = error.context.name if error.context else None
        unknown = _UNKNOWN_WORD.fullmatch(str(error))
        names = list(self.collection.task_names)
        hint = f"./invoke {task} --help" if task else "./invoke --list"
        if unknown is None:
            first = next(iter(self.core.unparsed), "")
            hint = f"./invoke {task or first} --help" if task or first in names else hint
            lacks = _NO_VALUE.match(str(error))
            self._refuse("usage", f"--{lacks[1].replace('_', '-')} needs a value" if lacks else f"{error}", hint)
        word = unknown[1]
        if word.startswith("-"):
            (context,) = (each for each in self._contexts() if each.name == task) if task else (self.initial_context,)
            what = f"{task} has no flag {word}" if task else f"there is no flag {word}"
            self._refuse("unknown-flag", what + _meant(word, context.flag_names()), hint)
        if task:
            self._refuse("unknown-task", f"{task} takes no {word!r}" + self._no_action(task), hint)
        self._refuse("unknown-task", f"there is no task {word!r}" + _meant(word, names), hint)

    def _no_action(self, task: str) -> str:
        """Return why a task took no second word: its first was none of its actions; else that no task is called so."""
        actions = getattr(self.collection[task], "actions", ())
        given = self.core.unparsed[self.core.unparsed.index(task) + 1]
        if not actions or given in actions:
            return ", and there is no task of that name"
        return f", and has no action {given!r}" + (meant(given, actions) or f": {', '.join(actions)}")

    def _refuse(self, reference: str, message: str, hint: str = "./invoke --help") -> NoReturn:
        from backbone import console

        error = StackError(reference, message, hint=hint, exit_code=ExitCode.USAGE)
        console.print_error(error)
        if "--json" in self.argv:
            console.print_json({"error": error.as_dict()})
        raise Exit(code=int(error.exit_code))


def _meant(word: str, known: Iterable[str]) -> str:
    names = list(known)
    return meant(other if (other := _OTHER_NAMES.get(word)) in names else word, names)


def is_invoke(program: str) -> bool:
    """Say whether a program is Invoke's own: `invoke`, `inv`, or its package run as a module."""
    path = Path(program)
    return path.name in {"invoke", "inv"} or path.parts[-2:] == ("invoke", "__main__.py")


def run(tasks: Collection) -> NoReturn:
    """Run the tasks of the command line; exits."""
    interpreter.settle()
    called = os.environ.get(PROGRAM)
    if not called and Path(sys.argv[0]).name == "invoke":
        called = os.environ[PROGRAM] = "invoke"
    Tasks(version=resources.version(), namespace=tasks, name="backbone", binary=called or "./invoke").run()
    # Invoke leaves when a task fails, and returns when all is well: whoever loaded tasks.py would run them once more.
    sys.exit()


def main() -> None:
    """Run a task by the name that it has in a checkout, too: the command `backbone`."""
    os.environ.setdefault(PROGRAM, "backbone")
    run(collect())
