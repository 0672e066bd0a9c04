"""Does an endpoint answer: `tcp://HOST:PORT` accepts a connection, `http://…` says 2xx."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing, suppress
from urllib.parse import urlsplit

_TIMEOUT_S = 1.0


def answers(endpoint: str) -> bool:
    """Ask once, for a second at most."""
    url = urlsplit(endpoint)
    host, port = url.hostname or "", url.port or 80
    with suppress(OSError, http.client.HTTPException):
        if url.scheme == "tcp":
            with socket.create_connection((host, port), timeout=_TIMEOUT_S):
                return True
        with closing(http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)) as connection:
            connection.request("GET", url.path or "/")
            return connection.getresponse().status // 100 == 2  # noqa: PLR2004 - HTTP's success class
    return False
