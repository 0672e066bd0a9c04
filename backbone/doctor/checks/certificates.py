"""Certificates: those that the configuration names, and those that brokers show."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from backbone.doctor.finding import Finding, Register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.doctor.evidence import Certificate, Evidence

register = Register()

SOON_DAYS = 14
_OWNER_AND_GROUP = 0o640


_THEIRS = "who runs it, or signs for it, has to make a new one"


@register.check("D060", "Certificates are there, and hold", "certificates")
def there(evidence: Evidence) -> Iterator[Finding]:
    """Without its key or certificate a node does not start; one that does not hold is refused by clients."""
    for each in evidence.certificates or ():
        if each.problem:
            yield Finding(
                "error",
                f"{each.of}: {each.where}: {each.problem}",
                "clients do not connect to it"
                if each.shown
                else "the node ends when it opens its listeners, or takes no client's certificate",
                _THEIRS if each.shown else f"ls -l {shlex.quote(each.where)}",
            )


@register.check("D061", "Certificates are valid for two more weeks", "certificates")
def valid(evidence: Evidence) -> Iterator[Finding]:
    """An expired certificate stops every new connection at once, and no one before that."""
    for each in evidence.certificates or ():
        if each.problem or each.days_left >= SOON_DAYS:
            continue
        expired = each.days_left < 0
        yield Finding(
            "error" if expired else "warning",
            f"{each.of}: {each.where} "
            + (f"expired {-each.days_left:.0f} days ago" if expired else f"expires in {each.days_left:.0f} days"),
            "new connections are refused" if expired else "new connections will be refused from then on",
            _renew(each),
        )


def _renew(each: Certificate) -> str:
    if each.shown:
        return _THEIRS
    again = "a start makes a new one where KAFKA_SECURITY=secure; elsewhere put one in its place first"
    return f"{again}\n./invoke restart {each.of}"


@register.check("D062", "Keys are readable by their owner only", "certificates")
def keys(evidence: Evidence) -> Iterator[Finding]:
    """Owner may write, the service's group may read; whoever else reads a key can be its node."""
    for each in evidence.certificates or ():
        if each.mode is not None and each.mode & ~_OWNER_AND_GROUP:
            yield Finding(
                "error",
                f"{each.of}: {each.where} has mode {each.mode:04o}",
                "every user of this machine can read the key in it, and be this node to others",
                f"chmod 0640 {shlex.quote(each.where)}",
            )


@register.check("D063", "Certificates are for the names that are advertised", "certificates")
def names(evidence: Evidence) -> Iterator[Finding]:
    """A client compares the name it was sent to with the certificate (ssl.endpoint.identification.algorithm=https)."""
    for each in evidence.certificates or ():
        missing = sorted(set(each.advertised) - each.names)
        if missing and not each.problem:
            yield Finding(
                "error",
                f"{each.of}: {each.where} is for {', '.join(sorted(each.names)) or 'no name'}, "
                f"and {', '.join(missing)} is advertised",
                "the first connection may succeed; where the client is sent then, it refuses the certificate",
                f"make one with {', '.join(missing)} among its names (subjectAltName), or advertise one that it has",
            )
