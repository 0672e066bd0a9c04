"""One HTTP client for the stack's services: no proxy, and every failure says whose it is."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from backbone.errors import ExitCode, StackError
from backbone.rest import Service
from tests.servers.http import serve


@dataclass
class Canned:
    """Gives one answer to every request."""

    status: int
    body: object

    def answer(self, *_: object) -> tuple[int, object]:
        return self.status, self.body


def ask(url: str) -> object:
    service = Service("the registry", "registry", url, timeout=2, stranger_hint="another port")
    return service.read("GET", "/subjects", service.ask("GET", "/subjects"))


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(Canned(200, ["a"])) as url:
        assert ask(url) == ["a"]


@pytest.mark.parametrize(
    ("status", "body", "code", "context"),
    [
        (422, {"error_code": 42201, "message": "no Avro"}, ExitCode.FINDINGS, "no Avro"),
        (500, b"<html>", ExitCode.ENVIRONMENT, "<html>"),
        (404, [1], ExitCode.FINDINGS, "[1]"),
        (302, b"", ExitCode.FINDINGS, None),
    ],
)
def test_a_refusal_tells_the_services_own_words(status: int, body: object, code: ExitCode, context: str | None) -> None:
    with serve(Canned(status, body)) as url, pytest.raises(StackError, match="registry-refused") as caught:
        ask(url)
    assert str(status) in caught.value.message
    assert (caught.value.exit_code, caught.value.context) == (code, context)


def test_another_program_is_recognised() -> None:
    with (
        serve(Canned(200, b"<html>hello</html>")) as url,
        pytest.raises(StackError, match="is not the registry") as caught,
    ):
        ask(url)
    assert (caught.value.exit_code, caught.value.hint) == (ExitCode.ENVIRONMENT, "another port")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://", "no-url", "http://[::1", "http://127.0.0.1:99999"])
def test_what_does_not_answer_is_an_environment_error(url: str) -> None:
    with pytest.raises(StackError, match="registry-unreachable") as caught:
        ask(url)
    assert url in caught.value.message
