"""The Kafka version of the brokers, of their data, and of the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.evidence import Upgrade
from backbone.doctor.finding import Finding, Register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.doctor.evidence import Evidence

register = Register()

_PATIENCE_DAYS = 1.0


@register.check("D070", "The brokers are of one version", "upgrade")
def mixed(evidence: Evidence) -> Iterator[Finding]:
    """Two versions beside each other are a way, and no place to stay: nothing can be finalised."""
    running = _upgrade(evidence).running
    if len(set(running.values())) > 1:
        yield Finding(
            "warning",
            ", ".join(f"{name} runs {version}" for name, version in running.items()),
            "an upgrade has not come to its end",
            "./invoke kafka versions\nto undo it\n./invoke upgrade --back",
        )


@register.check("D071", "An upgrade is finalised within a day", "upgrade")
def finalized(evidence: Evidence) -> Iterator[Finding]:
    """Until then the new version's features are off, and the data stays in the older form."""
    found = _upgrade(evidence)
    # Other features may wait for ever in a cluster that was never upgraded, such as kraft.version.
    if "metadata.version" in found.raisable and found.days > _PATIENCE_DAYS and len(set(found.running.values())) == 1:
        yield Finding(
            "warning",
            ", ".join(f"{name} {old} → {new}" for name, (old, new) in found.raisable.items()),
            f"the brokers have supported more than is finalised for {found.days:.0f} days",
            "./invoke upgrade --finalize --dry-run",
        )


@register.check("D072", "The data is not newer than the program", "newer")
def newer(evidence: Evidence) -> Iterator[Finding]:
    """A broker refuses data that a later version has finalised."""
    for words in evidence.newer or ():
        yield Finding(
            "error",
            words,
            "the program refuses it: KAFKA_VERSION was set back after an upgrade had been finalised",
            "set KAFKA_VERSION in .env to the version that finalised it\n./invoke up",
        )


def _upgrade(evidence: Evidence) -> Upgrade:
    return evidence.upgrade or Upgrade({})
