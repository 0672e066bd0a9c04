"""Who may ask the console, and who may change something by it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
import requests

from backbone.web.desk import Desk
from tests.unit.web.served import MadeUp, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.web.guard import Access

NO_BODY = 4


@pytest.fixture(scope="module")
def access() -> Iterator[Access]:
    with served(Desk(MadeUp(["127.0.0.1:1"]))) as found:
        yield found


def url(access: Access, path: str = "/") -> str:
    return f"http://127.0.0.1:{access.port}{path}"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1.evil.example:{port}", ""]
)
def test_a_foreign_host_is_misdirected(access: Access, host: str) -> None:
    answer = requests.get(url(access), headers={"Host": host.format(port=access.port)}, timeout=NO_BODY)
    assert answer.status_code in (HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.BAD_REQUEST)
    assert "Q2x1c3Rlcg" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_is_answered(access: Access, host: str) -> None:
    answer = requests.get(url(access), headers={"Host": f"{host}:{access.port}"}, timeout=NO_BODY)
    assert answer.status_code == HTTPStatus.OK
    assert "Q2x1c3Rlcg" in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused_even_with_the_token(access: Access, method: str, origin: str) -> None:
    answer = requests.request(
        method,
        url(access, "/do/fix"),
        headers={"Origin": origin.format(port=access.port)},
        data={"token": access.token},
        timeout=NO_BODY,
    )
    assert answer.status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("path", ["/do/fix", "/do/restart", "/", "/nowhere"])
@pytest.mark.parametrize("data", [{}, {"token": ""}, {"token": "x"}, b'{"token": "x"}'])
def test_a_change_without_the_token_is_forbidden(access: Access, path: str, data: object) -> None:
    answer = requests.post(url(access, path), data=data, timeout=NO_BODY)  # type: ignore[arg-type]
    assert answer.status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_every_other_method_needs_it_too(access: Access, method: str) -> None:
    assert requests.request(method, url(access), timeout=NO_BODY).status_code == HTTPStatus.FORBIDDEN


def test_a_browsers_own_form_is_taken(access: Access) -> None:
    """A form of ours comes with our own origin: a page that let no referrer out would make it `null`."""
    page = requests.get(access.url, timeout=NO_BODY)
    assert page.headers["referrer-policy"] == "same-origin"
    for origin in (f"http://127.0.0.1:{access.port}", f"http://localhost:{access.port}"):
        data = {"token": access.token}
        answer = requests.post(url(access, "/do/fix"), headers={"Origin": origin}, data=data, timeout=NO_BODY)
        assert "only looked at" in answer.text


def test_the_cookie_alone_changes_nothing(access: Access) -> None:
    answer = requests.post(url(access, "/do/fix"), cookies={access.cookie: access.token}, timeout=NO_BODY)
    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_a_body_that_is_too_large_is_not_read(access: Access) -> None:
    answer = requests.post(url(access, "/do/send"), data=b"x" * 5_000_000, timeout=NO_BODY)
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_the_printed_address_hands_the_token_over_once(access: Access) -> None:
    answer = requests.get(access.url, allow_redirects=False, timeout=NO_BODY)
    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert access.token in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    wrong = requests.get(url(access, "/?token=x"), allow_redirects=False, timeout=NO_BODY)
    assert "set-cookie" not in wrong.headers


def test_a_browser_may_run_our_own_files_only(access: Access) -> None:
    headers = requests.get(url(access), timeout=NO_BODY).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert access.token not in repr(access)
