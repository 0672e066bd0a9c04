"""Image references, and which Kafka version Kafka's images carry."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"(?P<repository>[^@\s]+?)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*))?(?:@(?P<digest>\w+:[0-9a-f]+))?"
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:[.-].*)?")

APACHE = "apache"
CONFLUENT = "confluent"
BITNAMI = "bitnami"

_KAFKA_IMAGES = {
    "apache/kafka": APACHE,
    "apache/kafka-native": APACHE,
    "confluentinc/cp-kafka": CONFLUENT,
    "confluentinc/cp-server": CONFLUENT,
    "confluentinc/confluent-local": CONFLUENT,
    "bitnami/kafka": BITNAMI,
    "bitnamilegacy/kafka": BITNAMI,
}
_CONNECT_IMAGES = re.compile(r"(confluentinc/cp-(kafka-connect|server-connect)|debezium/connect)[\w-]*")


@dataclass(frozen=True, slots=True)
class Image:
    """A reference in parts: `confluentinc/cp-kafka`, `8.3.0`, `sha256:…`; "" for what is not given."""

    repository: str
    tag: str
    digest: str

    @property
    def vendor(self) -> str:
        """APACHE, CONFLUENT or BITNAMI for an image that runs a Kafka node, else ""."""
        return _KAFKA_IMAGES.get(self.repository, "")

    @property
    def is_connect(self) -> bool:
        """Whether this is an image that runs a Kafka Connect worker."""
        return bool(_CONNECT_IMAGES.fullmatch(self.repository))

    @property
    def version(self) -> tuple[int, int] | None:
        """Major and minor number of the tag, None for `latest` and the like."""
        match = _VERSION.fullmatch(self.tag)
        return (int(match[1]), int(match[2])) if match else None

    @property
    def kafka_version(self) -> tuple[int, int] | None:
        """The Kafka version inside; Confluent Platform 7.5 is Kafka 3.5 and 8.3 is Kafka 4.3."""
        version = self.version
        if version and self.repository.startswith("confluentinc/cp-") and version[0] > 4:  # noqa: PLR2004
            return (version[0] - 4, version[1])
        return version


def parse_image(reference: str) -> Image:
    """Return the parts of a reference; a registry host before the repository is left out."""
    match = _REFERENCE.fullmatch(reference.strip())
    if not match:
        return Image(reference, "", "")
    first, slash, rest = match["repository"].partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return Image(rest if has_host else match["repository"], match["tag"] or "", match["digest"] or "")
