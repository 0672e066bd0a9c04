"""A broker's door in the test process: TLS, ApiVersions and SASL as Kafka does them, and nothing behind it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SALT, _ROUNDS = b"salt", 4096
_REFUSED = "Authentication failed during authentication due to invalid credentials"


@dataclass
class Door:
    """What the listener is. mechanisms: () for one without SASL. signs: whether it proves that it knows the password.

    keystore: its key and certificate in PEM. trusted: the CA of the clients whose certificate it demands.
    """

    keystore: Path | None = None
    trusted: Path | None = None
    mechanisms: tuple[str, ...] = ()
    users: Mapping[str, str] = field(default_factory=dict)
    signs: bool = True

    @contextmanager
    def open(self) -> Iterator[str]:
        """Listen on a free port, and yield the address."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=self._serve, args=(server,), daemon=True).start()
            yield f"127.0.0.1:{server.getsockname()[1]}"
            server.shutdown(socket.SHUT_RDWR)

    def _serve(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._meet, args=(server.accept()[0],), daemon=True).start()

    def _meet(self, stream: socket.socket) -> None:
        # What a client gets wrong ends its connection, and is told in an alert where there is one.
        with suppress(OSError, ValueError, struct.error), stream:
            if self.keystore is None:
                self._converse(stream)
                return
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.keystore)
            if self.trusted:
                context.load_verify_locations(self.trusted)
                context.verify_mode = ssl.CERT_REQUIRED
            with context.wrap_socket(stream, server_side=True) as inner:
                self._converse(inner)

    def _converse(self, stream: socket.socket) -> None:
        login = _Login(self)
        while True:
            (size,) = struct.unpack(">i", _exactly(stream, 4))
            if not 0 < size < 1 << 20:
                return
            request = _exactly(stream, size)
            api, _, number, length = struct.unpack_from(">hhih", request)
            answer = login.answer(api, request[10 + length :])
            stream.sendall(struct.pack(">ii", 4 + len(answer), number) + answer)
            if login.ended:
                return


@dataclass
class _Login:
    """One client's way in."""

    door: Door
    ended: bool = False
    mechanism: str = ""
    first: bytes = b""

    def answer(self, api: int, body: bytes) -> bytes:
        if api == 18:
            return struct.pack(">hi", 0, 0)
        if api == 17:
            return self._handshake(body[2:].decode())
        return self._authenticate(body[4:])

    def _handshake(self, mechanism: str) -> bytes:
        offered = self.door.mechanisms
        code = 34 if not offered else 0 if mechanism in offered else 33
        self.mechanism, self.ended = mechanism, code == 33
        names = b"".join(struct.pack(">h", len(each)) + each.encode() for each in offered)
        return struct.pack(">hi", code, len(offered)) + names

    def _authenticate(self, proof: bytes) -> bytes:
        known = self._plain(proof) if self.mechanism == "PLAIN" else self._scram(proof)
        if known is None:
            self.ended = True
            return struct.pack(">hh", 58, len(_REFUSED)) + _REFUSED.encode() + struct.pack(">i", 0)
        return struct.pack(">hhi", 0, -1, len(known)) + known

    def _plain(self, proof: bytes) -> bytes | None:
        _, user, password = proof.decode().split("\0")
        return b"" if self.door.users.get(user) == password else None

    def _scram(self, proof: bytes) -> bytes | None:
        if not self.first:
            self.first = proof[3:]  # without the header "n,,"
            return self._challenge()
        name = dict(part.split("=", 1) for part in self.first.decode().split(","))["n"]
        password = self.door.users.get(name)
        bare, _, given = proof.decode().rpartition(",p=")
        said = b",".join((self.first, self._challenge(), bare.encode()))
        hash_name = self.mechanism.removeprefix("SCRAM-").replace("-", "").lower()
        salted = hashlib.pbkdf2_hmac(hash_name, (password or "").encode(), _SALT, _ROUNDS)
        key = hmac.digest(salted, b"Client Key", hash_name)
        signature = hmac.digest(hashlib.new(hash_name, key).digest(), said, hash_name)
        right = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        if self.door.signs and (password is None or not hmac.compare_digest(right, base64.b64decode(given))):
            return None
        ours = hmac.digest(hmac.digest(salted, b"Server Key", hash_name), said, hash_name)
        return b"v=" + base64.b64encode(ours if self.door.signs else ours[::-1])

    def _challenge(self) -> bytes:
        nonce = self.first.rpartition(b"r=")[2]
        return b"r=" + nonce + b"more,s=" + base64.b64encode(_SALT) + b",i=" + str(_ROUNDS).encode()


def _exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := stream.recv(count - len(data))):
            raise ConnectionResetError
        data += more
    return data
