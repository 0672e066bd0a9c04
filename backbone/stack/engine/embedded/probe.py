"""Does an endpoint answer: `tcp://HOST:PORT` accepts a connection, `http://…` says 2xx, `kafka://…` speaks Kafka.

`kafkas://…` speaks it over TLS, whoever it is: who runs here is known by its process, not by its certificate.

An open port is little: the kernel accepts connections for a process that hangs.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backbone import secret_file

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT_S = 1.0
# ApiVersions (key 18, version 0) needs no authentication and no cluster: its size, key, version, correlation id, no
# client id. The answer begins with its size and the correlation id (https://kafka.apache.org/protocol).
_CORRELATION = 7
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, _CORRELATION, -1)
_ANSWER = struct.Struct(">ii")


def answers(endpoint: str, user_file: Path | None = None) -> bool:
    """Ask once, for a second at most; as the user of a file, where a service wants to know who asks."""
    url = urlsplit(endpoint)
    host, port = url.hostname or "", url.port or 80
    with suppress(OSError, http.client.HTTPException):
        if url.scheme in ("tcp", "kafka", "kafkas"):
            with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connected:
                if url.scheme == "kafkas":
                    with _unverified().wrap_socket(connected) as encrypted:
                        return _speaks_kafka(encrypted)
                return url.scheme == "tcp" or _speaks_kafka(connected)
        with closing(http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)) as connection:
            connection.request("GET", url.path or "/", headers=secret_file.basic_auth(user_file) if user_file else {})
            return connection.getresponse().status // 100 == 2  # noqa: PLR2004 - HTTP's success class
    return False


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _speaks_kafka(connected: socket.socket) -> bool:
    connected.sendall(_API_VERSIONS)
    head = b""
    while len(head) < _ANSWER.size:
        part = connected.recv(_ANSWER.size - len(head))
        if not part:
            return False
        head += part
    size, correlation = _ANSWER.unpack(head)
    return bool(size > 0 and correlation == _CORRELATION)
