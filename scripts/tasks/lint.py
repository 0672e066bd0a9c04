"""The linter's tasks, made from its command line."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from backbone.lint import cli

from .command import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from invoke import Context, Task

    from backbone.errors import ExitCode


def _task(function: Callable[..., ExitCode | None], **options: Any) -> Task[Any]:
    """Make a task of a function of the command line: its parameters become flags, its docstring the help."""

    def body(_: Context, **flags: object) -> ExitCode | None:
        return function(**flags)

    signature = inspect.signature(function)
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    body.__signature__ = signature.replace(parameters=[context, *signature.parameters.values()])  # type: ignore[attr-defined]
    body.__name__, body.__doc__ = function.__name__, function.__doc__
    return command(help={name: cli.HELP[name] for name in signature.parameters}, **options)(body)


lint = _task(
    cli.lint, iterable=["project", "file", "env_file", "profile", "select", "skip"], optional=list(cli.OPTIONAL)
)
explain = _task(cli.explain, positional=["rule"])
rules = _task(cli.rules)
