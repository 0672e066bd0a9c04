"""How a function becomes a task: errors rendered once, exit codes, and actions such as `topics describe NAME`."""

from __future__ import annotations

import errno
import functools
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from invoke import Exit, ParseError, Task
from invoke.parser import Argument

from backbone.errors import ExitCode, StackError, meant

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    Body = Callable[..., ExitCode | None]

_SIGNED = ("shift", "seed")
"""Flags whose number may be below zero though their default is not."""

_NO_ROOM = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)


class CheckedArgument(Argument):
    """Invoke's argument, but a value that its kind refuses is told in a sentence."""

    @classmethod
    def like(cls, plain: Argument) -> CheckedArgument:
        """Return the checked form of an argument that has no value yet."""
        return cls(
            names=plain.names,
            kind=plain.kind,
            default=plain.default,
            help=plain.help,
            positional=plain.positional,
            optional=plain.optional,
            incrementable=plain.incrementable,
            attr_name=plain.attr_name,
        )

    def set_value(self, value: Any, cast: bool = True) -> None:
        """Set the value; ParseError in a sentence if it is not of the argument's kind."""
        try:
            super().set_value(value, cast)
        except ValueError as error:
            flag = "--" + self.names[0].replace("_", "-")
            raise ParseError(f"{flag} wants a whole number, not {value!r}") from error
        if self.kind is int and self.value < 0 <= (self.default or 0) and self.names[0] not in _SIGNED:
            raise ParseError(f"--{self.names[0].replace('_', '-')} wants a number from 0, not {value}")


class ActionArgument(CheckedArgument):
    """A positional argument that only some actions take: `topics describe NAME`, but `topics list`.

    The parser eats words for positional arguments whose value is None, and misses those that stay so.
    """

    def __init__(self, plain: Argument, action: Argument, takers: Container[Any]) -> None:
        super().__init__(
            names=plain.names, kind=plain.kind, help=plain.help, positional=True, attr_name=plain.attr_name
        )
        self._action = action
        self._takers = takers

    @property
    def value(self) -> Any:
        """What was given; "" when the action does not take this argument."""
        given = super().value
        return "" if given is None and self._action.value not in self._takers else given

    @value.setter
    def value(self, arg: str) -> None:
        self.set_value(arg, cast=True)


class CheckedTask(Task):  # type: ignore[type-arg]  # generic over its body only for type checkers
    """A task whose arguments are checked."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return Invoke's arguments, checked."""
        return list(map(CheckedArgument.like, super().get_arguments(ignore_unknown_help=ignore_unknown_help)))


class OwnedTask(CheckedTask):
    """A task with positional arguments that belong to another one: to some actions, or to a flag (`--compare A B`)."""

    owners: Mapping[str, tuple[str, Container[Any]]]
    """Positional argument → the argument it belongs to, and the values of that which take it."""
    actions: Sequence[str] = ()
    """The words that its first argument may be; () for a task without actions."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return Invoke's arguments, those that belong to another one made so."""
        plain = {str(each.name): each for each in super().get_arguments(ignore_unknown_help=ignore_unknown_help)}
        owned = {
            name: ActionArgument(plain[name], plain[owner], takers) for name, (owner, takers) in self.owners.items()
        }
        return [owned.get(name, argument) for name, argument in plain.items()]


class _AnyValue:
    """Holds every value but the empty one."""

    def __contains__(self, value: object) -> bool:
        return bool(value)


def command(
    *,
    actions: Mapping[str, Sequence[str]] = MappingProxyType({}),
    belongs: Mapping[str, str] = MappingProxyType({}),
    unless: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> Callable[[Body], Task[Any]]:
    """Make a task of a function that returns an exit code, or None for success.

    actions: for a function `(c, action, …)`, each action with the names of the positional parameters it takes.
    belongs: positional parameter → the flag that it is a second value of.
    unless: positional parameter → the flag (off until given) after which it need not stand.
    options: Invoke's own (`help`, `iterable`, `positional`, …).
    """

    def decorate(body: Body) -> Task[Any]:
        @functools.wraps(body)
        def run(*args: Any, **kwargs: Any) -> None:
            code = _guarded(body, actions, args, kwargs)
            if code:
                raise Exit(code=int(code))

        if not (actions or belongs or unless):
            return CheckedTask(run, **options)
        owners: dict[str, tuple[str, Container[Any]]] = {name: (flag, _AnyValue()) for name, flag in belongs.items()}
        owners |= {name: (flag, (False, "")) for name, flag in unless.items()}
        for name in (name for taken in actions.values() for name in taken):
            owners[name] = ("action", frozenset(verb for verb, taken in actions.items() if name in taken))
        task = OwnedTask(run, **{"positional": [*(["action"] if actions else []), *owners], **options})
        task.owners, task.actions = owners, tuple(actions)
        return task

    return decorate


def _guarded(
    body: Body, actions: Mapping[str, Sequence[str]], args: Sequence[Any], kwargs: dict[str, Any]
) -> ExitCode | None:
    """Call the body; what we understand becomes words and an exit code, what we don't keeps its traceback."""
    _be_told_to_end()
    try:
        if actions and kwargs.get("action") not in actions:
            raise StackError(
                "unknown-action",
                f"{body.__name__} has no action {kwargs.get('action')!r}" + meant(str(kwargs.get("action")), actions),
                context="actions: "
                + ", ".join(" ".join((name, *map(str.upper, taken))) for name, taken in actions.items()),
                hint=f"./invoke --help {body.__name__}",
                exit_code=ExitCode.USAGE,
            )
        return body(*args, **kwargs)
    except StackError as error:
        return _told(error, kwargs)
    except ModuleNotFoundError as error:
        return _told(_missing(error), kwargs)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return None
    except OSError as error:
        return _told(_of_the_disk(error), kwargs)


def _be_told_to_end() -> None:
    """Take SIGTERM (a pipeline gives up) and SIGHUP (its terminal is closed) like Ctrl-C.

    So every task puts back what it broke. What this one was started to ignore (`nohup`) stays ignored.
    """

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, interrupt)


def _told(error: StackError, kwargs: Mapping[str, Any]) -> ExitCode:
    from backbone import console

    console.print_error(error)
    if kwargs.get("json"):
        console.print_json({"error": error.as_dict()})
    return error.exit_code


def _of_the_disk(error: OSError) -> StackError:
    """Return what to say when this machine refuses a file; raise again what is about no file."""
    if error.filename is None and error.errno not in _NO_ROOM:
        raise error
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename or "a file")
    where = where.encode("utf-8", "backslashreplace").decode()  # a name may have bytes that are no text
    folder = shlex.quote(os.path.dirname(where) or ".")  # noqa: PTH120 - it need not be a path that pathlib takes
    return StackError(
        "file-refused",
        f"cannot read or write {where}",
        context=error.strerror or str(error),
        hint=f"df -h {folder}; ls -ld {folder}",
        exit_code=ExitCode.ENVIRONMENT,
    )


def _missing(error: ModuleNotFoundError) -> StackError:
    """Return what to say when a package of the extra `stack` is not installed; raise again what is our own mistake."""
    if not error.name or error.name.partition(".")[0] in {"backbone", "scripts"}:
        raise error
    if (made_of := Path(sys.prefix, "requirements.txt")).exists():
        made_of.unlink()  # ./invoke makes an environment without it again: scripts/environment.py
        return StackError(
            "environment-damaged",
            f"{error.name} is missing from {sys.prefix}",
            hint="run the same command again: the environment is made anew first",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return StackError(
        "extra-missing",
        f"this task needs the extra `stack` of the package: {error.name} is not installed",
        hint=f"{shlex.quote(sys.executable)} -m pip install 'messaging-backbone[stack]'",
        exit_code=ExitCode.ENVIRONMENT,
    )
