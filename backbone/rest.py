"""The HTTP client for services of the stack: JSON over loopback, one place for time-outs, refusals and their errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SUCCESS = range(200, 300)
_SERVER_FAULT = 500
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered. `ok`: with success (2xx); a redirect is none, for nothing here redirects."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return self.status in _SUCCESS

    @property
    def message(self) -> str:
        """The reason that Confluent's APIs give under "message", else the beginning of the text."""
        try:
            return str(json.loads(self.text)["message"])
        except (ValueError, KeyError, TypeError):
            return self.text[:_SHOWN]


@dataclass(frozen=True, slots=True)
class Service:
    """A service with a JSON API at a base URL.

    name: as in "NAME does not answer". slug: its errors are "SLUG-unreachable" and "SLUG-refused". The hints say what
    to try when nothing answers, when it refuses, and when another program answers in its place. timeout: seconds to
    connect, and between two bytes. Neither a proxy nor a password is taken from the environment.
    credentials: makes the headers that say who asks, at each request: so no value of ours holds a password.
    """

    name: str
    slug: str
    url: str
    timeout: float = 10.0
    unreachable_hint: str | None = None
    refused_hint: str | None = None
    stranger_hint: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    credentials: Callable[[], Mapping[str, str]] = dict

    def ask(self, method: str, path: str, body: object | None = None) -> Answer:
        """Send a request; StackError("SLUG-unreachable") if no answer comes, exit code 4."""
        import requests  # noqa: PLC0415 - 0.1 s for those who ask no service

        try:
            with requests.Session() as session:
                session.trust_env = False
                response = session.request(
                    method,
                    self.url + path,
                    data=None if body is None else json.dumps(body),
                    headers={**self.headers, **self.credentials()},
                    timeout=self.timeout,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise StackError(
                f"{self.slug}-unreachable",
                f"{self.name} does not answer at {self.url}",
                context=_cause(error),
                hint=self.unreachable_hint,
                exit_code=ExitCode.ENVIRONMENT,
            ) from error
        return Answer(response.status_code, response.text)

    def read(self, method: str, path: str, answer: Answer) -> Any:
        """Return an answer's JSON, None for an empty one; StackError("SLUG-refused") for anything but success."""
        if not answer.ok:
            raise StackError(
                f"{self.slug}-refused",
                f"{self.name} answers {answer.status} to {method} {path}",
                context=answer.message or None,
                hint=self.refused_hint,
                exit_code=ExitCode.FINDINGS if answer.status < _SERVER_FAULT else ExitCode.ENVIRONMENT,
            )
        try:
            return json.loads(answer.text) if answer.text else None
        except ValueError as error:
            raise StackError(
                f"{self.slug}-refused",
                f"what answers at {self.url} is not {self.name}: it sends no JSON",
                context=answer.text[:_SHOWN],
                hint=self.stranger_hint,
                exit_code=ExitCode.ENVIRONMENT,
            ) from error


def _cause(error: BaseException) -> str:
    """Return the innermost reason: `requests` wraps it three times."""
    while (inner := getattr(error, "reason", None) or (error.args[0] if error.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return f"{type(error).__name__}: {error}"
