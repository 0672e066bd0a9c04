"""What a cluster refuses a client for, each in its own words with the way out; `kafka_probe` finds out which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from backbone.client_properties import ClientSecurity

# X509_V_ERR_… of OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_CA = (2, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)
_NO_CERTIFICATE = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE")
"""Alerts for a client that shows none: of TLS 1.3 (RFC 8446, section 6.2); of Java in TLS 1.2."""


def nobody(address: str, reason: str) -> StackError:
    """Return the error of an address where nothing listens, or to which no way leads."""
    hint = (
        "is that the address, and its port? Those of this checkout's own brokers:\n./invoke endpoints\n./invoke status"
    )
    return _refusal("no-broker", f"no broker answers at {address}", reason, hint)


def silent(address: str, reason: str = "") -> StackError:
    """Return the error of a broker that takes the connection and says nothing that helps. It proves nothing."""
    return _refusal("broker-silent", f"{address} does not answer as a broker does", reason, "")


def not_kafka(address: str, reason: str) -> StackError:
    """Return the error of an address where something else answers."""
    return _refusal("not-kafka", f"{address} answers, but not as Kafka does", reason, "look at the port")


def tls_wanted(address: str, security: ClientSecurity) -> StackError:
    """Return the error of a plaintext client at a listener with TLS."""
    return _refusal(
        "tls-wanted",
        f"{address} speaks TLS, and {_who(security)} speaks {security.protocol}",
        "",
        "name a file with security.protocol=SSL (or SASL_SSL) and ssl.truststore.location: "
        "--command-config client.properties",
    )


def no_tls(address: str, security: ClientSecurity) -> StackError:
    """Return the error of a TLS client at a listener without."""
    plain = "SASL_PLAINTEXT" if security.sasl else "PLAINTEXT"
    return _refusal(
        "tls-not-spoken",
        f"{address} speaks no TLS, and {_who(security)} speaks {security.protocol}",
        "",
        f"take the port of the listener with TLS, or set security.protocol={plain}: then all is readable on its way",
    )


def untrusted(address: str, security: ClientSecurity, error: ssl.SSLCertVerificationError) -> StackError:
    """Return the error of a broker whose certificate does not hold."""
    code, reason = error.verify_code, error.verify_message
    if code in (_EXPIRED, _NOT_YET_VALID):
        when = "has expired" if code == _EXPIRED else "is not valid yet"
        return _refusal(
            "certificate-expired",
            f"the certificate of {address}, or of who signed it, {when}",
            reason,
            "its cluster needs a new one; a wrong clock of this machine shows the same",
        )
    if code in _UNKNOWN_CA:
        trusted = security.ca_file or "this system's own CAs"
        return _refusal(
            "unknown-ca",
            f"nobody whom we trust has signed the certificate of {address}; trusted: {trusted}",
            reason,
            f"name the PEM file of its CA as ssl.truststore.location in {security.file}",
        )
    if code in _OTHER_NAME:
        return _refusal(
            "wrong-host-name",
            f"the certificate of {address} is not for that name",
            reason,
            "take a name that is in it, or have one made with this name (subjectAltName)",
        )
    return _refusal("certificate-refused", f"the certificate of {address} does not hold", reason, "")


def certificate_refused(address: str, security: ClientSecurity, alert: str) -> StackError:
    """Return the error of a listener that wants a client's certificate (ssl.client.auth=required), or another one."""
    shown = security.certificate_file
    if shown is None and alert.endswith(_NO_CERTIFICATE):
        return _refusal(
            "client-certificate-wanted",
            f"{address} wants a certificate of its clients, and {_who(security)} shows none",
            f"its alert: {alert}",
            f"name the PEM file of your key and certificate as ssl.keystore.location in {security.file}",
        )
    if shown is None:
        return _refusal(
            "tls-failed",
            f"{address} refuses our TLS",
            f"its alert: {alert}",
            "it may want a certificate of its clients, or a version or cipher that is not here",
        )
    return _refusal(
        "client-certificate-refused",
        f"{address} does not take the certificate in {shown}",
        f"its alert: {alert}",
        "it has expired, or is signed by a CA that the brokers do not trust",
    )


def login_wanted(address: str, security: ClientSecurity, offered: Sequence[str]) -> StackError:
    """Return the error of a client without a login at a listener with SASL."""
    return _refusal(
        "login-wanted",
        f"{address} wants a login, and {_who(security)} has none",
        f"it takes {', '.join(offered)}",
        f"name a file with security.protocol={'SASL_SSL' if security.tls else 'SASL_PLAINTEXT'}, sasl.mechanism and "
        "sasl.jaas.config: --command-config client.properties",
    )


def no_login(address: str, security: ClientSecurity) -> StackError:
    """Return the error of a login at a listener without SASL."""
    return _refusal(
        "login-not-taken",
        f"{address} takes no login, and {_who(security)} speaks {security.protocol}",
        "",
        f"take the port of the listener with SASL, or set security.protocol={security.protocol.removeprefix('SASL_')}",
    )


def mechanism_refused(address: str, security: ClientSecurity, offered: Sequence[str]) -> StackError:
    """Return the error of a mechanism that a listener does not have."""
    return _refusal(
        "mechanism-not-offered",
        f"{address} does not take {security.mechanism}",
        f"it takes {', '.join(offered)}",
        f"set sasl.mechanism={next(iter(offered), '')} in {security.file}, with the login for it",
    )


def login_refused(address: str, security: ClientSecurity, words: str) -> StackError:
    """Return the error of a wrong password or an unknown user: brokers do not say which."""
    return _refusal(
        "login-refused",
        f"{address} does not take the password of {security.username}, or knows no such user",
        words,
        f"look at sasl.jaas.config in {security.file}",
    )


def impostor(address: str, security: ClientSecurity) -> StackError:
    """Return the error of a broker that cannot show that it knows the password, which SCRAM lets a client ask for."""
    return _refusal(
        "broker-not-proved",
        f"{address} takes the login of {security.username} without knowing its password",
        "its answer is not signed with it (RFC 5802, server signature)",
        "send nothing there: ask who runs it",
    )


def not_allowed(security: ClientSecurity, words: str) -> StackError:
    """Return the error of a request that no rule of the cluster allows, for whoever asked."""
    return _refusal(
        "not-allowed",
        f"the cluster does not allow that to {security.username or _who(security)}",
        words,
        "a rule has to allow it: a line in access.yml of the stack whose brokers these are, and there\n"
        "./invoke access apply",
    )


def _who(security: ClientSecurity) -> str:
    return str(security.file) if security.file else "this client"


def _refusal(reference: str, message: str, reason: str, hint: str) -> StackError:
    return StackError(reference, message, context=reason or None, hint=hint or None, exit_code=ExitCode.ENVIRONMENT)
