"""Image references, and which Kafka version Kafka's images carry."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"(?P<repository>[^@\s]+?)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*))?(?:@(?P<digest>\w+:[0-9a-f]+))?"
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:[.-].*)?")
_KAFKA_IN_TAG = {
    # Images whose tag says their own version first: 0.45.0-kafka-3.9.0, and Scala's: 2.13-2.8.1.
    "strimzi/kafka": re.compile(r".*-kafka-(\d+)\.(\d+).*"),
    "wurstmeister/kafka": re.compile(r"[\d.]+-(\d+)\.(\d+).*"),
    "debezium/kafka": re.compile(r"(?!)"),
}
_PLATFORM = {3: (0, 10), 4: (1, 0), 5: (2, 0), 6: (2, 6)}
"""Confluent Platform's major version → the Kafka of its .0; from 7 on it is the major version less 4."""

APACHE = "apache"
CONFLUENT = "confluent"
BITNAMI = "bitnami"
REDPANDA = "redpanda"

_KAFKA_IMAGES = {
    "apache/kafka": APACHE,
    "apache/kafka-native": APACHE,
    "confluentinc/cp-kafka": CONFLUENT,
    "confluentinc/cp-server": CONFLUENT,
    "confluentinc/cp-enterprise-kafka": CONFLUENT,
    "confluentinc/confluent-local": CONFLUENT,
    "bitnami/kafka": BITNAMI,
    "bitnamilegacy/kafka": BITNAMI,
    "bitnamisecure/kafka": BITNAMI,
}
_DERIVED = re.compile(r"cp-(kafka|server|enterprise-kafka)(?!-?(connect|rest|cat|mqtt|streams))([-_.].*)?")
_PLATFORM_NAME = re.compile(r"(cp|confluent)-.*")
_PLATFORM_PART = re.compile(
    # Released together under one version. Others that begin with cp- have versions of their own.
    r"confluentinc/cp-(kafka|server|enterprise-kafka|zookeeper|schema-registry|kafka-rest|enterprise-control-center"
    r"|enterprise-replicator(-executable)?|ksqldb-(server|cli)|ksql-(server|cli)|(kafka|server)-connect(-base)?"
    r"|kafka-mqtt)"
)
_CONNECT_IMAGES = re.compile(r"(confluentinc/cp-(kafka-connect|server-connect)|debezium/connect)[\w-]*")


@dataclass(frozen=True, slots=True)
class Image:
    """A reference in parts: `confluentinc/cp-kafka`, `8.3.0`, `sha256:…`; "" for what is not given."""

    repository: str
    tag: str
    digest: str
    host: str = ""
    """The registry, "" for Docker Hub."""

    @property
    def vendor(self) -> str:
        """APACHE, CONFLUENT or BITNAMI for an image that runs a Kafka node, else ""."""
        return _KAFKA_IMAGES.get(self.repository, "")

    @property
    def is_redpanda(self) -> bool:
        """Whether this is an image of Redpanda's broker."""
        return self.name in ("redpanda", "redpanda-unstable", "redpanda-fips")

    @property
    def is_connect(self) -> bool:
        """Whether this is an image that runs a Kafka Connect worker."""
        return bool(_CONNECT_IMAGES.fullmatch(self.repository))

    @property
    def is_platform_part(self) -> bool:
        """Whether this is a part of the Confluent Platform that is released under the platform's version."""
        return bool(_PLATFORM_PART.fullmatch(self.repository))

    @property
    def release(self) -> str:
        """The numbers of the tag: 7.5.0 of v7.5.0-1-ubi8, the whole tag when it begins with none."""
        match = re.match(r"v?(\d+(\.\d+)*)", self.tag)
        return match[1] if match else self.tag

    @property
    def version(self) -> tuple[int, int] | None:
        """Major and minor number of the tag, None for `latest` and the like."""
        match = _VERSION.fullmatch(self.tag)
        return (int(match[1]), int(match[2])) if match else None

    @property
    def name(self) -> str:
        """The last part of the repository: cp-kafka of confluentinc/cp-kafka."""
        return self.repository.rpartition("/")[2]

    @property
    def is_of_another_family(self) -> bool:
        """Whether this is a Kafka image that reads its environment in a way that is not known here."""
        return self.repository in _KAFKA_IN_TAG

    @property
    def derives_from_confluent(self) -> bool:
        """Whether the name is that of Confluent's broker images, or of one built on them (a mirror, cp-server-tc)."""
        return bool(_DERIVED.fullmatch(self.name))

    @property
    def kafka_version(self) -> tuple[int, int] | None:
        """The Kafka version inside; Confluent Platform 4.1 is Kafka 1.1, 7.5 is Kafka 3.5 and 8.3 is Kafka 4.3."""
        if (own := _KAFKA_IN_TAG.get(self.repository)) is not None:
            match = own.fullmatch(self.tag)
            return (int(match[1]), int(match[2])) if match else None
        version = self.version
        if version and _PLATFORM_NAME.fullmatch(self.name):
            major, minor = version
            kafka, first = _PLATFORM.get(major, (major - 4, 0))
            return (kafka, first + minor) if major >= min(_PLATFORM) else None
        return version


def parse_image(reference: str) -> Image:
    """Return the parts of a reference; a registry host before the repository is left out.

    `name:` is what an unset `name:${TAG}` leaves: a name whose tag nobody knows.
    """
    match = _REFERENCE.fullmatch(reference.strip().removesuffix(":"))
    if not match:
        return Image(reference, "", "")
    first, slash, rest = match["repository"].partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    repository, host = (rest, first) if has_host else (match["repository"], "")
    return Image(repository, match["tag"] or "", match["digest"] or "", host)
