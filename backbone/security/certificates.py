"""An authority for one home and the certificates it signs: of nodes, of services, and of who administers them.

In a folder: `ca.pem` (for who trusts it), `ca.key` (signs; its owner's alone), and for each holder `NAME/keystore.pem`
(the key in PKCS 8, then the chain: what Kafka reads as a PEM store, KIP-651) with `NAME/ca.pem` beside it. A holder's
folder is all that its container sees. Times are seconds since the epoch. Imported where the profile is secure.
"""

from __future__ import annotations

import ipaddress
import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.security.layout import CA, CA_KEY, KEYSTORE
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

DAYS = 90
"""How long a holder's certificate is valid; the authority's own for ten years."""

RENEW_DAYS = 30
"""One that ends sooner than this is made again when its holder starts."""

_CA_DAYS = 3650
_EARLIER = timedelta(hours=1)  # a machine whose clock is behind takes a new certificate too


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs: a certificate, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate says: whose it is, for which names and addresses, and from when until when (s)."""

    name: str
    hosts: frozenset[str]
    begins: float
    ends: float
    issuer: str
    serial: int


def ensure(folder: Path, name: str, hosts: Iterable[str], *, now: float) -> bool:
    """Make a holder's certificate unless it has one that will do for RENEW_DAYS; say whether it was made.

    The authority is made when there is none. Raises StackError("bad-authority") for one that cannot be used.
    """
    wanted = frozenset({name, *hosts})
    authority = open_authority(folder, now=now)
    if _will_do(folder / name / KEYSTORE, wanted, authority, now):
        return False
    _issue(folder, name, wanted, authority, now)
    return True


def renew(folder: Path, name: str, *, now: float) -> Leaf:
    """Make a holder's certificate again for the hosts of the present one; StackError("no-certificate") without one."""
    found = leaf(folder / name / KEYSTORE)
    if found is None:
        raise StackError(
            "no-certificate", f"there is no certificate of {name}", hint="./invoke certs show", exit_code=ExitCode.USAGE
        )
    return _issue(folder, name, found.hosts, open_authority(folder, now=now), now)


def holders(folder: Path) -> list[Leaf]:
    """Return the certificates that a folder's authority has made, by the names of their holders."""
    return [found for path in sorted(folder.glob(f"*/{KEYSTORE}")) if (found := leaf(path))]


def leaf(file: Path) -> Leaf | None:
    """Return what the first certificate of a PEM file says, None if there is none in it."""
    made = _first(file)
    if made is None:
        return None
    hosts: list[str] = []
    with suppress(x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    common = made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Leaf(
        name=str(common[0].value) if common else made.subject.rfc4514_string(),
        hosts=frozenset(hosts),
        begins=made.not_valid_before_utc.timestamp(),
        ends=made.not_valid_after_utc.timestamp(),
        issuer=made.issuer.rfc4514_string(),
        serial=made.serial_number,
    )


def open_authority(folder: Path, *, now: float) -> Authority:
    """Return a folder's authority, made if there is none; StackError("bad-authority") if it cannot be used."""
    certificate, key = folder / CA, folder / CA_KEY
    if not certificate.exists() and not key.exists():
        _found(folder, now)
    try:
        secret = serialization.load_pem_private_key(reading.read_bytes(key), password=None)
        made = x509.load_pem_x509_certificate(reading.read_bytes(certificate))
        if not isinstance(secret, ec.EllipticCurvePrivateKey) or made.public_key() != secret.public_key():
            raise ValueError(f"{CA_KEY} is not the key of {CA}")
    except (StackError, UnsupportedAlgorithm, *reading.NONSENSE) as error:
        place = shlex.quote(str(folder))
        raise StackError(
            "bad-authority",
            f"the authority in {folder} cannot be used",
            context=error.context if isinstance(error, StackError) else f"{type(error).__name__}: {error}",
            hint=f"put {CA} and {CA_KEY} back; or have a new one made, which every client has to trust anew\n"
            f"./invoke down && mv {place} {place}.old && ./invoke up",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    return Authority(made, secret)


def _will_do(file: Path, hosts: frozenset[str], authority: Authority, now: float) -> bool:
    made, found = _first(file), leaf(file)
    if made is None or found is None:
        return False
    try:
        made.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    lasts = found.ends - now > timedelta(days=RENEW_DAYS).total_seconds()
    trusted = reading.peek(file.with_name(CA)).encode()
    return lasts and found.hosts == hosts and trusted == _pem(authority.certificate)


def _found(folder: Path, now: float) -> None:
    """Make an authority, with a name of its own: a store that holds those of two homes can tell them apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"messaging-backbone {x509.random_serial_number() % 2**32:08x}")
    made = (
        _builder(subject, subject, key, now, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable_file.replace(folder / CA_KEY, _key_pem(key), mode=0o600)
    durable_file.replace(folder / CA, _pem(made))


def _issue(folder: Path, name: str, hosts: Collection[str], authority: Authority, now: float) -> Leaf:
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    signer = authority.key.public_key()
    made = (
        _builder(_name(name), authority.certificate.subject, key, now, DAYS)
        .add_extension(x509.SubjectAlternativeName(list(map(_alternative, sorted(hosts)))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    own = folder / name
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable_file.replace(own / CA, _pem(authority.certificate))
    durable_file.replace(own / KEYSTORE, _key_pem(key) + _pem(made) + _pem(authority.certificate), mode=0o600)
    written = leaf(own / KEYSTORE)
    if written is None:
        raise StackError("no-certificate", f"{own / KEYSTORE} does not hold what was written to it")
    return written


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: float, days: int
) -> x509.CertificateBuilder:
    at = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _EARLIER)
        .not_valid_after(at + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    """Return what a key is for (RFC 5280, 4.2.1.3): signing certificates, or proving who one is."""
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _first(file: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(reading.read_bytes(file))[0]
    except (StackError, *reading.NONSENSE):
        return None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
