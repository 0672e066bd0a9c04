"""A file of ours in YAML that is either right as a whole, or refused with every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def read(path: Path, reference: str, faults: Callable[[Any], Iterable[str]], hint: str) -> Any:
    """Return a file's value if `faults` finds nothing in it.

    Raises StackError(reference) with every fault, or why it cannot be read.
    """
    try:
        text = reading.read_text(path)
    except StackError as error:
        raise StackError(reference, error.message, error.context, exit_code=ExitCode.USAGE) from error
    return parse(text, path.name, reference, faults, hint)


def parse(text: str, name: str, reference: str, faults: Callable[[Any], Iterable[str]], hint: str) -> Any:
    """Return the value of what a file called `name` says, or will say. Raises as `read`."""
    try:
        body = yaml.safe_load(text)
        found = list(faults(body))
    except (RecursionError, ValueError, yaml.YAMLError) as error:  # ValueError: a date or a number that is none
        body, found = None, [str(error)]
    if found:
        raise StackError(
            reference, f"{name} is not valid", context="\n".join(found), hint=hint, exit_code=ExitCode.USAGE
        )
    return body
