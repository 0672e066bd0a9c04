from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from backbone.security import certificates
from backbone.stack.engine.embedded.probe import answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Health(http.server.BaseHTTPRequestHandler):
    """Answers /NNN with that status."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_tcp_is_answered_by_whoever_listens_and_only_then() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert not answers(endpoint)
        server.listen()
        assert answers(endpoint)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", True), ("/200", True), ("/204", True), ("/404", False), ("/302", False), ("/503", False)],
)
def test_http_is_answered_by_success_alone(path: str, expected: bool) -> None:
    with serving() as address:
        assert answers(f"http://{address}{path}") is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (bytes([0, 0, 0, 6, 0, 0, 0, 7, 0, 0]), True),
        (bytes([0, 0, 0, 6, 0, 0, 0, 8, 0, 0]), False),
        (b"HTTP/1.1 400 Bad Request\r\n", False),
        (b"", False),
        (bytes([0, 0]), False),
    ],
    ids=["a broker", "an answer to somebody else", "no Kafka", "hangs up", "hangs up in the middle"],
)
def test_kafka_is_answered_by_what_speaks_it(answer: bytes, expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def once() -> None:
            with server.accept()[0] as client:
                client.recv(64)
                client.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        assert answers(f"kafka://127.0.0.1:{server.getsockname()[1]}") is expected
        thread.join()


def test_an_open_port_of_a_broker_that_hangs_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert answers(f"tcp://{address}")
        assert not answers(f"kafka://{address}")


@pytest.mark.parametrize("answer", [b"", b"220 mail ready\r\n"], ids=["hangs up", "no HTTP"])
def test_a_server_that_speaks_something_else_does_not_answer(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert not answers(address)
        thread.join()


def test_an_unknown_host_does_not_answer() -> None:
    assert not answers("tcp://no-such-host.invalid:9092")


@pytest.mark.parametrize(
    ("answer", "expected"), [(bytes([0, 0, 0, 6, 0, 0, 0, 7, 0, 0]), True), (b"", False)], ids=["a broker", "hangs up"]
)
def test_kafka_over_tls_is_answered_whoever_signed_the_certificate(
    tmp_path: Path, answer: bytes, expected: bool
) -> None:
    certificates.ensure(tmp_path, "kafka-1", (), now=time.time())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "kafka-1" / "keystore.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with context.wrap_socket(connection, server_side=True) as encrypted:
                encrypted.recv(100)
                encrypted.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert answers(f"kafkas://127.0.0.1:{server.getsockname()[1]}") is expected
        thread.join()


def test_a_broker_without_tls_is_no_answer_over_tls() -> None:
    with serving() as address:
        assert not answers(f"kafkas://{address}")
