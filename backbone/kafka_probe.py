"""At a broker's door: why a client is not let in, within two seconds and in words.

kafka-python tells a wrong password, TLS where there is none and an unknown CA alike: it cannot be bootstrapped. Here a
socket does what every client does first (TLS, ApiVersions, SaslHandshake, SaslAuthenticate) and says where it ended.
Source: the Kafka protocol guide; KIP-43, KIP-84 and KIP-152 for SASL; RFC 5802 for SCRAM.
"""

from __future__ import annotations

import queue
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from backbone import client_properties, refusals
from backbone.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.client_properties import ClientSecurity

ANSWER_S = 2.0
"""A broker that says nothing for so long is left to the client itself, which waits longer."""

_SECOND_LOOK = 0.25
"""What part of that is kept for a second look, which tells why the first one failed."""

_SHORTEST_S = 0.05
_REFUSES_S = 0.2
_SASL_HANDSHAKE, _API_VERSIONS, _SASL_AUTHENTICATE = 17, 18, 36
_UNSUPPORTED_MECHANISM, _NO_SASL_HERE = 33, 34
_OPEN = ("broker-silent", "no-broker")
"""What says nothing of us."""

_LARGEST = 1 << 20
_CLIENT = b"backbone-probe"


class _StrangeError(Exception):
    """What answers does not speak Kafka's protocol."""

    def __init__(self, first: bytes) -> None:
        super().__init__(f"its first bytes: {first!r}")


def demand(addresses: Sequence[str], security: ClientSecurity, timeout: float = ANSWER_S) -> None:
    """Return if one of the addresses lets us in, or if nothing has been said against it within `timeout` (s).

    All are asked at once. Raises the StackError of one that refuses us for a reason (see `refusals`), and
    StackError("no-broker") where nothing listens at any.
    """
    answers: queue.SimpleQueue[StackError | None] = queue.SimpleQueue()

    for address in addresses:
        # Nothing ends the look-up of a name: it may go on when we have left.
        ask = partial(_answer, answers, address, security, timeout)
        threading.Thread(target=ask, daemon=True).start()
    end = time.monotonic() + timeout
    found: list[StackError] = []
    while len(found) < len(addresses):
        try:
            answer = answers.get(timeout=_left(end))
        except queue.Empty:
            break
        if answer is None:
            return
        found.append(answer)
    for error in found:
        if error.reference not in _OPEN:
            raise error
    if len(found) == len(addresses) and all(error.reference == "no-broker" for error in found):
        raise refusals.nobody(", ".join(addresses), found[0].context or "")


def dial(address: str, timeout: float) -> socket.socket:
    """Return a connection to host:port, an IPv6 host in brackets; `timeout` in s. Raises OSError, ValueError."""
    return socket.create_connection((_host(address), int(address.rpartition(":")[2])), timeout)


def refused(addresses: Sequence[str]) -> str:
    """Return the system's words if every address refuses a connection: nothing listens there, and to wait is in vain.

    Empty if one takes it, says nothing for a moment, or cannot be looked up.
    """
    words = ""
    for address in addresses:
        try:
            with dial(address, _REFUSES_S):
                return ""
        except ConnectionRefusedError as error:
            words = str(error)
        except (OSError, ValueError):
            return ""
    return words


def _answer(
    answers: queue.SimpleQueue[StackError | None], address: str, security: ClientSecurity, timeout: float
) -> None:
    answers.put(refusal(address, security, timeout))


def refusal(address: str, security: ClientSecurity, timeout: float = ANSWER_S) -> StackError | None:
    """Return why a broker does not let us in, None if it does; `broker-silent` is no proof of anything."""
    visit = _Visit.begin(address, security, timeout)
    try:
        with visit.enter() as stream:
            if not security.sasl:
                visit.see_no_login_is_wanted(stream)
    except StackError as error:
        return error
    except (struct.error, ValueError, LookupError) as error:
        return refusals.not_kafka(address, str(error))
    return None


def connect(address: str, security: ClientSecurity, timeout: float) -> socket.socket:
    """Return a socket on which a broker has let us in, past TLS and SASL; `timeout` (s) goes for all, and stays.

    Raises the StackError that says why not.
    """
    stream = _Visit.begin(address, security, timeout).enter()
    stream.settimeout(timeout)
    return stream


def certificate(address: str, security: ClientSecurity, timeout: float = ANSWER_S) -> Mapping[str, Any]:
    """Return the certificate that a broker shows, as ssl.SSLSocket.getpeercert gives it; {} without TLS.

    Raises the StackError that says why we are not let in.
    """
    with _Visit.begin(address, security, timeout).enter() as stream:
        return (stream.getpeercert() or {}) if isinstance(stream, ssl.SSLSocket) else {}


@dataclass(frozen=True, slots=True)
class _Visit:
    """One try at one address. Until `first` it tries, until `end` it finds out why that failed (monotonic clock, s)."""

    address: str
    security: ClientSecurity
    first: float
    end: float

    @classmethod
    def begin(cls, address: str, security: ClientSecurity, timeout: float) -> _Visit:
        """Return a visit that begins now."""
        now = time.monotonic()
        return cls(address, security, now + timeout * (1 - _SECOND_LOOK), now + timeout)

    def enter(self) -> socket.socket:
        """Return the connection on which we are in."""
        stream = self.dial(self.first)
        try:
            if self.security.tls:
                stream = self.secured(stream)
            self.ask(stream, _API_VERSIONS, 0, b"")
            if self.security.sasl:
                self.log_in(stream)
        except BaseException:
            stream.close()
            raise
        return stream

    @property
    def host(self) -> str:
        """The name or the address."""
        return _host(self.address)

    def dial(self, end: float) -> socket.socket:
        """Open a connection."""
        try:
            return dial(self.address, _left(end))
        except TimeoutError as error:
            raise refusals.silent(self.address, str(error)) from error
        except OSError as error:
            raise refusals.nobody(self.address, str(error)) from error

    def secured(self, stream: socket.socket) -> socket.socket:
        """Return the connection in TLS."""
        context = client_properties.context(self.security)
        stream.settimeout(_left(self.first))
        try:
            return context.wrap_socket(stream, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            raise refusals.untrusted(self.address, self.security, error) from error
        except OSError as error:
            raise self.explained(error) from error

    def ask(self, stream: socket.socket, api: int, version: int, body: bytes) -> bytes:
        """Send a request and return the body of its answer."""
        stream.settimeout(_left(self.first))
        try:
            return _exchange(stream, api, version, body)
        except (OSError, _StrangeError) as error:
            raise self.explained(error) from error

    def see_no_login_is_wanted(self, stream: socket.socket) -> None:
        """Ask for a mechanism without a name: a listener with SASL says what it has, any other that it has none."""
        code, offered = _mechanisms(self.ask(stream, _SASL_HANDSHAKE, 1, _text(b"")))
        if code == _UNSUPPORTED_MECHANISM:
            raise refusals.login_wanted(self.address, self.security, offered)

    def log_in(self, stream: socket.socket) -> None:
        """Log in by the mechanism of our file."""
        mechanism = self.security.mechanism
        code, offered = _mechanisms(self.ask(stream, _SASL_HANDSHAKE, 1, _text(mechanism.encode())))
        if code == _NO_SASL_HERE:
            raise refusals.no_login(self.address, self.security)
        if code:
            raise refusals.mechanism_refused(self.address, self.security, offered)
        if mechanism == "PLAIN":
            self.prove(stream, f"\0{self.security.username}\0{self.security.password}".encode())
            return
        from kafka.net.sasl.scram import ScramClient  # noqa: PLC0415 - slow, and only for these mechanisms

        scram = ScramClient(self.security.username, self.security.password, mechanism)
        scram.process_server_first_message(self.prove(stream, scram.first_message()))
        try:
            scram.process_server_final_message(self.prove(stream, scram.final_message()))
        except (ValueError, KeyError) as error:
            raise refusals.impostor(self.address, self.security) from error

    def prove(self, stream: socket.socket, proof: bytes) -> bytes:
        """Send what proves who we are, and return what the broker says to it."""
        answer = self.ask(stream, _SASL_AUTHENTICATE, 0, struct.pack(">i", len(proof)) + proof)
        code, length = struct.unpack_from(">hh", answer)
        words = answer[4 : 4 + max(length, 0)]
        if code:
            raise refusals.login_refused(self.address, self.security, words.decode("utf-8", "replace"))
        return answer[8 + len(words) :]

    def explained(self, error: Exception) -> StackError:
        """Return why a conversation ended before its answer, as far as a second look can tell."""
        if self.security.tls:
            silent = isinstance(error, TimeoutError)
            if alert := _alert(error) or ("" if silent else self.parting_alert()):
                return refusals.certificate_refused(self.address, self.security, alert)
            if self.speaks_plaintext():
                return refusals.no_tls(self.address, self.security)
        elif self.speaks_tls():
            return refusals.tls_wanted(self.address, self.security)
        if isinstance(error, _StrangeError):
            return refusals.not_kafka(self.address, str(error))
        return refusals.silent(self.address, str(error))

    def parting_alert(self) -> str:
        """Return the alert of a broker that does not take our certificate, "" if there is none.

        In TLS 1.3 it comes when we believe to be in. What we say meanwhile may make the network drop it, so we come
        again and listen.
        """
        context = client_properties.context(self.security)
        try:
            with context.wrap_socket(self.dial(self.end), server_hostname=self.host) as stream:
                stream.settimeout(_left(self.end))
                stream.recv(1)
        except OSError as error:
            return _alert(error)
        except StackError:
            return ""
        return ""

    def speaks_tls(self) -> bool:
        """Say whether a TLS server answers, whoever it is."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with context.wrap_socket(self.dial(self.end), server_hostname=self.host):
                return True
        except OSError as error:
            return bool(_alert(error))
        except StackError:
            return False

    def speaks_plaintext(self) -> bool:
        """Say whether a broker answers without TLS."""
        try:
            with self.dial(self.end) as stream:
                _exchange(stream, _API_VERSIONS, 0, b"")
        except (OSError, _StrangeError, StackError):
            return False
        return True


def _exchange(stream: socket.socket, api: int, version: int, body: bytes) -> bytes:
    """Send a request with the header of version 1, and return the answer without its correlation id."""
    head = struct.pack(">hhi", api, version, 0) + _text(_CLIENT)
    stream.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
    size = _read(stream, 4)
    (length,) = struct.unpack(">i", size)
    if not 4 <= length <= _LARGEST:  # noqa: PLR2004 - the correlation id is as long
        raise _StrangeError(size)
    return _read(stream, length)[4:]


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _left(end: float) -> float:
    """Return the seconds until a moment, and never none: a socket would take that for "do not wait"."""
    return max(end - time.monotonic(), _SHORTEST_S)


def _read(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise ConnectionResetError("the connection was closed")
        data += more
    return data


def _mechanisms(answer: bytes) -> tuple[int, list[str]]:
    """Return the error code and the mechanisms of an answer to SaslHandshake."""
    code, count = struct.unpack_from(">hi", answer)
    place, found = 6, []
    for _ in range(max(count, 0)):
        (length,) = struct.unpack_from(">h", answer, place)
        found.append(answer[place + 2 : place + 2 + length].decode())
        place += 2 + length
    return code, found


def _text(value: bytes) -> bytes:
    return struct.pack(">h", len(value)) + value


def _alert(error: Exception) -> str:
    """Return the name of the alert that the other side has sent, "" if it sent none."""
    reason = getattr(error, "reason", None) or ""
    return reason if "ALERT" in reason else ""
