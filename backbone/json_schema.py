"""JSON Schema, the one way to judge a value by it: jsonschema-rs, in the dialect that the schema names (ADR 0011)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Departure(NamedTuple):
    """One departure of a value from its schema: the way to it, and the validator's words. keyword: what it breaks.

    names: the properties it is about, for `required` and `additionalProperties`. value: what departs. limit: what the
    keyword asks for, such as the types or the pattern.
    """

    path: tuple[str | int, ...]
    message: str
    keyword: str = ""
    names: tuple[str, ...] = ()
    value: Any = None
    limit: Any = None

    @property
    def place(self) -> str:
        """The way to it as a JSONPath, such as $.topics[0].name."""
        return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def departures(schema: Mapping[str, Any] | Path, value: object) -> list[Departure]:
    """Return every departure of a value, by place; a value that JSON cannot hold (YAML's dates, say) is one itself."""
    from jsonschema_rs import validator_for  # noqa: PLC0415 - 0.05 s that most tasks need not pay

    body = schema if isinstance(schema, dict) else json.loads(schema.read_text(encoding="utf-8"))  # type: ignore[union-attr]
    try:
        errors = list(validator_for(body, retriever=_no_retriever).iter_errors(value))
    except (ValueError, OverflowError, RecursionError) as error:
        return [Departure((), f"cannot be judged: {error}")]
    found = []
    for each in errors:
        kind = each.kind.as_dict()
        names = kind.get("unexpected", [kind["property"]] if "property" in kind else ())
        limit = next(iter(kind.values()), None)
        path, keyword = tuple(each.instance_path), each.kind.name
        found.append(Departure(path, each.message, keyword, tuple(map(str, names)), each.instance, limit))
    return sorted(found, key=lambda each: [str(step) for step in each.path])


def fault(schema: object) -> Departure | None:
    """Return what keeps a value from being a schema of draft 7, None if it is one. Nothing is fetched for it."""
    from jsonschema_rs import Draft7Validator, ValidationError  # noqa: PLC0415 - as above

    try:
        Draft7Validator(schema, retriever=_no_retriever)  # type: ignore[arg-type]  # any JSON: that is the question
    except ValidationError as error:
        return Departure(tuple(error.instance_path), error.message)
    except (ValueError, OverflowError, RecursionError) as error:
        return Departure((), f"cannot be judged: {error}")
    return None


def _no_retriever(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")


def require(schema: Path, value: object) -> None:
    """Raise ValueError with every departure of a value that we have made ourselves: a mistake of ours."""
    if found := departures(schema, value):
        raise ValueError(f"departs from {schema.name}: " + "; ".join(map(str, found)))
