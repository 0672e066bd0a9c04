"""What each broker supports and what the cluster has finalised (KIP-584), asked of every broker by itself."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kafka.protocol.metadata import ApiVersionsRequest

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.failover import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METADATA = "metadata.version"

_FIRST_LEVELS = {"4.4": 31, "4.3": 30, "4.2": 28, "4.1": 26, "4.0": 22, "3.9": 21}
"""The first metadata.version of each release (MetadataVersion.java); before them: Kafka 3."""

EFFECTS = {
    METADATA: "older programs refuse this data from now on",
    "kraft.version": "voters can be added and removed while the cluster runs (KIP-853)",
    "share.version": "share groups with a dead-letter topic (KIP-1191)",
    "group.version": "the newer protocol of consumer groups (KIP-848)",
    "transaction.version": "each transaction has an epoch of its own (KIP-890)",
    "streams.version": "groups of Kafka Streams are kept by the brokers (KIP-1071)",
    "eligible.leader.replicas.version": "a leader may be elected out of those that were last in sync (KIP-966)",
}
"""What finalising a feature's next level brings, in words."""


@dataclass(frozen=True, slots=True)
class Features:
    """One broker's answer: the highest level that its program supports, and the levels that are finalised."""

    supported: Mapping[str, int]
    finalized: Mapping[str, int]

    @property
    def release(self) -> str:
        """The release of the broker's program, such as 4.4."""
        return release(self.supported.get(METADATA, 0))


def release(level: int) -> str:
    """Return the release that a level of metadata.version came with, "3" for those before 3.9."""
    return next((name for name, first in _FIRST_LEVELS.items() if level >= first), "3")


def ask(address: str, timeout: float = 5.0) -> Features:
    """Ask the broker at an address. Raises OSError if it does not answer in time.

    ApiVersions before version 4 leaves out what may be at level 0, which is nearly every feature.
    """
    asked = ApiVersionsRequest(client_software_name="backbone", client_software_version="1", version=4)
    with closing(wire.Connection(address, timeout)) as connection:
        answer = connection.ask(asked)
    return Features(
        supported={each.name: each.max_version for each in answer.supported_features or ()},
        finalized={each.name: each.max_version_level for each in answer.finalized_features or ()},
    )


def finalize(bootstrap: Sequence[str], levels: Mapping[str, int]) -> None:
    """Raise features to new levels, all of them or none; first the controller only says whether it would.

    Raises StackError("not-finalized") with the controller's words.
    """
    with clients.admin(bootstrap) as client:
        for only_asked in (True, False):
            try:
                answer = client.update_features(dict(levels), validate_only=only_asked)
            except Exception as error:
                raise _refused({"": str(error)}) from error
            if refused := {name: words for name, words in answer.items() if words != "OK"}:
                raise _refused(refused)


def _refused(words: Mapping[str, str]) -> StackError:
    return StackError(
        "not-finalized",
        "the controller does not raise the features; nothing has changed",
        context="\n".join(f"{name}: {text}".removeprefix(": ") for name, text in words.items()),
        hint="./invoke kafka versions",
        exit_code=ExitCode.FINDINGS,
    )
