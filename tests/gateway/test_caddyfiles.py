"""Our two Caddyfiles, served by the real Caddy of the image's version: what they let through and what they refuse.

Only addresses are others: ports and the engine's socket are this test's own. Nobody answers behind the gateway.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from backbone.stack import compose
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

START_S = 20
ID = "0123456789ab"


@pytest.fixture(scope="module")
def caddy() -> str:
    found = os.environ.get("CADDY") or shutil.which("caddy")
    assert found, "nox -s gateway"
    return found


@pytest.fixture(scope="module")
def gateway(caddy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(caddy, tmp_path_factory.mktemp("gateway"), "01-gateway", {":8000 {": ":{port} {"}) as port:
        yield port


@pytest.fixture(scope="module")
def reader(caddy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("engine")
    places = {"127.0.0.1:2375": "127.0.0.1:{port}", "/var/run/docker.sock": f"{folder}/docker.sock"}
    with engine(folder / "docker.sock"), served(caddy, folder, "06-observability/docker-api", places) as port:
        yield port


@contextmanager
def served(caddy: str, folder: Path, of: str, places: Mapping[str, str]) -> Iterator[int]:
    """Serve infra/OF/Caddyfile with some of its addresses changed; yield the port."""
    text = (ROOT / "infra" / of / "Caddyfile").read_text(encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    for place, own in places.items():
        assert place in text
        text = text.replace(place, own.replace("{port}", str(port)))
    (folder / "Caddyfile").write_text(text, encoding="utf-8")
    argv = [caddy, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    environ = {**os.environ, "SCHEMA_REGISTRY_PORT": "1", "KAFKA_CONNECT_PORT": "1", "HOME": str(folder)}
    log = folder / "caddy.log"
    with log.open("wb") as said, subprocess.Popen(argv, env=environ, stdout=said, stderr=said) as process:
        try:
            wait_until(lambda: listens(port), what="Caddy to answer", timeout=START_S, last_seen=log.read_text)
            yield port
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def engine(path: Path) -> Iterator[None]:
    """Answer on a socket whatever it is asked: what comes through is what Caddy lets through."""

    class Answers(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(b"the engine")

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server calls them so

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(socketserver.ThreadingUnixStreamServer):
        def get_request(self) -> tuple[Any, Any]:
            return self.socket.accept()[0], ("engine", 0)

    with Server(str(path), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def asked(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Return status and text of an answer; the path is sent as it stands."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_it_is_the_version_of_the_image(caddy: str) -> None:
    said = subprocess.run([caddy, "version"], capture_output=True, text=True, check=True).stdout
    images = {service.image for service in compose.load(Settings(environ={}), ["*"]).services.values()}
    (image,) = (each for each in images if each.startswith("caddy:"))
    assert re.findall(r"\d+\.\d+\.\d+", said)[:1] == re.findall(r"\d+\.\d+\.\d+", image)


def test_the_gateway_has_a_page_and_a_health(gateway: int) -> None:
    status, page = asked(gateway, "/")
    assert status == HTTPStatus.OK
    assert "<h1>Messaging backbone</h1>" in page
    assert asked(gateway, "/healthz") == (HTTPStatus.OK, "ok")


@pytest.mark.parametrize("path", ["/grafana/", "/prometheus/", "/kafka-ui/", "/registry/x", "/connect/x", "/rest/x"])
def test_what_is_not_started_is_said(gateway: int, path: str) -> None:
    assert asked(gateway, path) == (HTTPStatus.BAD_GATEWAY, "502 Bad Gateway: is its profile started?")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "gateway:8000", "10.1.2.3"])
def test_a_page_of_its_own_may_ask(gateway: int, host: str) -> None:
    assert asked(gateway, "/healthz", Host=host, Origin=f"http://{host}")[0] == HTTPStatus.OK


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebinding.example"},
        {"Host": "localhost.rebinding.example"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Host": "localhost:8000", "Origin": "http://localhost:8001"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/connect/connectors", "/nothing"])
def test_a_page_of_another_place_may_not(gateway: int, path: str, headers: dict[str, str]) -> None:
    status, words = asked(gateway, path, **headers)
    assert status == HTTPStatus.FORBIDDEN
    assert "header names" in words


@pytest.mark.parametrize(
    "path",
    [
        "/_ping",
        "/v1.44/containers/json?all=1",
        f"/v1.44/containers/{ID}/json",
        f"/containers/{ID}/logs?stdout=1&follow=1",
    ],
)
def test_the_log_collector_lists_containers_and_reads_their_logs(reader: int, path: str) -> None:
    assert asked(reader, path) == (HTTPStatus.OK, "the engine")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/containers/create"),
        ("POST", f"/containers/{ID}/exec"),
        ("POST", f"/v1.44/containers/{ID}/kill"),
        ("POST", "/v1.44/containers/json"),
        ("DELETE", f"/containers/{ID}"),
        ("PUT", f"/containers/{ID}/archive?path=/"),
        ("GET", f"/containers/{ID}/archive?path=/etc/shadow"),
        ("GET", "/images/json"),
        ("GET", f"/v1.44/containers/{ID}/../../images/json"),
        ("GET", f"/containers/{ID}%2f..%2f..%2fimages/json"),
        ("GET", "/secrets"),
    ],
)
def test_and_nothing_else(reader: int, method: str, path: str) -> None:
    status, words = asked(reader, path, method)
    assert (status, words) == (HTTPStatus.FORBIDDEN, "only lists, descriptions and logs of containers are read here")
