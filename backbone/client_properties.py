"""What a client needs to be let in by a cluster: read from a client.properties file, as Kafka's own tools take one.

A process is one client of one cluster, so its file is named once, in the environment (`CONFIG`): the processes that it
starts inherit the name, and no password is in their arguments or their environment (docs/adr/0128).
"""

from __future__ import annotations

import os
import re
import shlex
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = "BACKBONE_COMMAND_CONFIG"
"""Environment variable: the path of the file that this process, and those it starts, use. Unset: PLAINTEXT."""

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
"""Those that need a name and a password, and nothing else."""

_LINE = re.compile(r"(?P<key>(?:\\.|[^\\:=\s])+)(?:\s*[:=]\s*|\s+|$)(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_JAAS = re.compile(r"""(\w+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s;"]+))""")
_NOT_READ = (
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.truststore.certificates",
    "sasl.login.callback.handler.class",
    "sasl.client.callback.handler.class",
    "config.providers",
)
"""What would change who we are, and is not done here: better refused than ignored."""
_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class ClientSecurity:
    """What a client shows to a cluster, and whom it trusts. Files are PEM; ca_file None: this system's own CAs.

    file: where it was read from, None for a cluster that asks for nothing. bootstrap: its bootstrap.servers, or "".
    """

    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str = field(default="", repr=False)
    verify_host_name: bool = True
    file: Path | None = None
    bootstrap: str = ""

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted, and the broker shows a certificate."""
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether it logs in by name and password."""
        return self.protocol.startswith("SASL_")


PLAINTEXT = ClientSecurity()
"""For a cluster that asks for nothing."""


def read(path: Path | str) -> ClientSecurity:
    """Return what a client.properties file says. Its relative paths begin at its own folder.

    Other settings than those of security and bootstrap.servers are left alone, as are those for brokers.

    Raises StackError("bad-client-properties", exit code USAGE) for what cannot be read, or cannot work: a store that is
    not PEM, a mechanism without password. Source: Kafka documentation, Security; KIP-651 for PEM.
    """
    file = Path(path).absolute()
    try:
        with file.open("rb") as source:
            text = source.read(_SIZE).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(file, f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error
    values = parse(text)
    for name in _NOT_READ:
        if values.get(name):
            raise _bad(
                file, f"{name} is not understood here", "name PEM files, and write the login in sasl.jaas.config"
            )
    protocol = values.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise _bad(file, f"security.protocol={protocol} is none of {', '.join(PROTOCOLS)}")
    tls, sasl = protocol.endswith("SSL"), protocol.startswith("SASL_")
    mechanism, username, password = _login(file, values) if sasl else ("", "", "")
    store = _pem(file, values, "ssl.keystore") if tls else None
    return ClientSecurity(
        protocol=protocol,
        mechanism=mechanism,
        username=username,
        password=password,
        ca_file=_pem(file, values, "ssl.truststore") if tls else None,
        certificate_file=store,
        key_file=store,
        key_password=values.get("ssl.key.password", ""),
        verify_host_name=values.get("ssl.endpoint.identification.algorithm", "https").lower() == "https",
        file=file,
        bootstrap=values.get("bootstrap.servers", ""),
    )


def current() -> ClientSecurity:
    """Return what this process shows to its cluster; see CONFIG. Raises as `read` does."""
    file = os.environ.get(CONFIG)
    return read(file) if file else PLAINTEXT


def use(security: ClientSecurity) -> None:
    """Let this process, and what it starts from now on, be this client."""
    if security.file is None:
        os.environ.pop(CONFIG, None)
    else:
        os.environ[CONFIG] = str(security.file)


def context(security: ClientSecurity) -> ssl.SSLContext:
    """Return the TLS context of a client; StackError("bad-client-properties") for a file that is not what it says."""
    try:
        made = ssl.create_default_context(cafile=security.ca_file)
    except OSError as error:
        raise _bad(security.file, f"{security.ca_file} holds no certificate in PEM: {error}") from error
    made.check_hostname = security.verify_host_name
    # Python 3.13 demands what RFC 5280 does of each certificate; Kafka's own clients do not.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if security.certificate_file:
            # A password is always given: without one OpenSSL would ask for it at the terminal.
            made.load_cert_chain(security.certificate_file, security.key_file, security.key_password)
    except OSError as error:
        words = f"{security.certificate_file} is not a key with its certificate in PEM: {error}"
        hint = "it holds the key (PKCS8), then the certificate, then those that signed it"
        raise _bad(security.file, words, hint) from error
    return made


def java(security: ClientSecurity) -> dict[str, str]:
    """Return what the Java client needs to be this client, by its own names; files by their whole paths."""
    found = {"security.protocol": security.protocol}
    if security.key_password:
        found["ssl.key.password"] = security.key_password
    for store, file in (("truststore", security.ca_file), ("keystore", security.certificate_file)):
        found |= {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": str(file)} if file else {}
    if not security.verify_host_name:
        found["ssl.endpoint.identification.algorithm"] = ""
    if security.sasl:
        name, password = (re.sub(r'(["\\\\])', r"\\\1", each) for each in (security.username, security.password))
        module = "plain.Plain" if security.mechanism == "PLAIN" else "scram.Scram"
        found["sasl.mechanism"] = security.mechanism
        found["sasl.jaas.config"] = (
            f'org.apache.kafka.common.security.{module}LoginModule required username="{name}" password="{password}";'
        )
    return found


def librdkafka(security: ClientSecurity) -> dict[str, str]:
    """Return what librdkafka needs to be this client, by the names of its CONFIGURATION.md."""
    found = {
        "security.protocol": security.protocol,
        "ssl.ca.location": str(security.ca_file or ""),
        "ssl.certificate.location": str(security.certificate_file or ""),
        "ssl.key.location": str(security.key_file or ""),
        "ssl.key.password": security.key_password,
        "ssl.endpoint.identification.algorithm": "" if security.verify_host_name else "none",
        "sasl.mechanism": security.mechanism,
        "sasl.username": security.username,
        "sasl.password": security.password,
    }
    return {name: value for name, value in found.items() if value}


def parse(text: str) -> dict[str, str]:
    """Return the entries of a .properties file; the last of a name counts (java.util.Properties.load)."""
    found = {}
    for line in _lines(text):
        if match := _LINE.fullmatch(line):
            found[_unescaped(match["key"])] = _unescaped(match["value"]).strip()
    return found


def _lines(text: str) -> list[str]:
    """Return the logical lines: those that end in a backslash go on in the next, without its leading blanks."""
    lines: list[str] = []
    goes_on = False
    for raw in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff")):
        line = raw.lstrip(" \t\f")
        if not goes_on and (not line or line[0] in "#!"):
            continue
        ends = len(line) - len(line.rstrip("\\"))
        body = line[:-1] if ends % 2 else line
        if goes_on:
            lines[-1] += body
        else:
            lines.append(body)
        goes_on = ends % 2 == 1
    return lines


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPED.get(m[2], m[2]), text)


def _login(file: Path, values: Mapping[str, str]) -> tuple[str, str, str]:
    """Return mechanism, name and password."""
    mechanism = values.get("sasl.mechanism", "GSSAPI")
    if mechanism not in MECHANISMS:
        raise _bad(file, f"sasl.mechanism={mechanism} is none of {', '.join(MECHANISMS)}")
    options = {
        name: re.sub(r"\\(.)", r"\1", quoted) if quoted or not bare else bare
        for name, quoted, bare in _JAAS.findall(values.get("sasl.jaas.config", ""))
    }
    missing = [name for name in ("username", "password") if not options.get(name)]
    if missing:
        example = "org.apache.kafka.common.security.scram.ScramLoginModule"
        raise _bad(
            file,
            f"sasl.jaas.config has no {' and no '.join(missing)}",
            f'sasl.jaas.config={example} required username="…" password="…";',
        )
    if mechanism != "PLAIN" and set(",=") & set(options["username"]):
        # RFC 5802 wants them written otherwise; kafka-python 3.0.12 sends them as they are.
        raise _bad(file, f"the user {options['username']!r} has a comma or =, which cannot be sent with {mechanism}")
    return mechanism, options["username"], options["password"]


def _pem(file: Path, values: Mapping[str, str], store: str) -> Path | None:
    """Return the file of a key store or trust store, None if there is none."""
    location = values.get(f"{store}.location", "")
    if not location:
        return None
    path = file.parent / location
    kind = values.get(f"{store}.type", "").upper()
    if (kind or "PEM") != "PEM" or path.suffix.lower() in {".jks", ".p12", ".pfx"}:
        raise _bad(
            file,
            f"{store}.location is a {kind or path.suffix[1:].upper()} store, and only PEM is read here",
            f"set {store}.type=PEM and name a PEM file, which Kafka's own tools read as well\n"
            "keytool -importkeystore makes a .p12 of a .jks, and openssl pkcs12 -nodes a PEM file of that",
        )
    if not path.is_file():
        raise _bad(file, f"{store}.location: there is no file {path}", "relative paths begin at the file's own folder")
    return path


def _bad(file: Path | None, found: str, hint: str = "") -> StackError:
    look = f"ls -l {shlex.quote(str(file))}"
    return StackError(
        "bad-client-properties",
        f"{file} cannot be used: {found}",
        hint=f"{hint}\n{look}" if hint else look,
        exit_code=ExitCode.USAGE,
    )
