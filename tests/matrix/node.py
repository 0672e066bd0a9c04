"""A Kafka node's stand-in: it listens and tells of its cluster as Kafka does, and keeps no records.

It goes at SIGTERM, is deaf while a file `deaf` lies in its home, and counts as alive those peers that answer it.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kafka.protocol import admin, metadata

_ANSWER_S = 0.5  # a peer that says nothing for so long is fenced
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
_UNAVAILABLE = 8  # BROKER_NOT_AVAILABLE: there is no quorum
_EXISTS, _TOO_FEW = 36, 38
_OWN, _DEFAULT = 1, 5  # where a setting is from (KIP-226)
_AGE = {35: 5}  # DescribeLogDirs, which nobody asks for: by its version kafka-python takes this for a Kafka 4.3


@dataclass(frozen=True)
class Place:
    """Where a node is, by its server.properties."""

    values: dict[str, str]

    @classmethod
    def read(cls, file: Path) -> Place:
        return cls(json.loads(file.read_text(encoding="utf-8")))

    @property
    def number(self) -> int:
        return int(self.values["KAFKA_NODE_ID"])

    @property
    def data(self) -> Path:
        return Path(self.values["KAFKA_LOG_DIRS"])

    def listeners(self, variable: str) -> dict[str, tuple[str, int]]:
        found = {}
        for text in self.values[variable].split(","):
            name, _, address = text.strip().partition("://")
            host, _, port = address.rpartition(":")
            found[name] = host, int(port)
        return found


@dataclass
class Node:
    """One node of the cluster. file: its server.properties; hosts: host name → address."""

    file: Path
    hosts: dict[str, str]

    @cached_property
    def own(self) -> Place:
        return Place.read(self.file)

    @property
    def members(self) -> dict[int, Place]:
        """Every node of the cluster: its configuration lies beside this one's."""
        files = self.file.parents[2].glob(f"*/config/{self.file.name}")
        return {place.number: place for place in map(Place.read, files)}

    def alive(self) -> list[Place]:
        """Return the members that answer; this one is among them."""
        return [place for number, place in sorted(self.members.items()) if place == self.own or self._answers(place)]

    def _answers(self, place: Place) -> bool:
        host, port = place.listeners("KAFKA_LISTENERS")["CONTROLLER"]
        with (
            suppress(OSError),
            socket.create_connection((self.hosts.get(host, host), port), timeout=_ANSWER_S) as peer,
        ):
            peer.sendall(_API_VERSIONS)
            return bool(peer.recv(1))
        return False

    def topics(self) -> dict[str, dict[str, Any]]:
        """Return topic → its partitions and settings, as the data of this node says."""
        with suppress(OSError, ValueError):
            return dict(json.loads((self.own.data / "topics.json").read_text(encoding="utf-8")))
        return {}

    def keep(self, topics: dict[str, dict[str, Any]]) -> None:
        """Let all that are alive know the topics."""
        for place in self.alive():
            (place.data / "topics.json").write_text(json.dumps(topics), encoding="utf-8")

    def run(self) -> None:
        """Serve every listener until SIGTERM."""
        log = Path("logs", "service.log")
        done = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: done.set())
        deaf = self.file.parents[4] / "deaf"
        while deaf.exists() and not done.wait(0.05):
            pass
        with log.open("a", encoding="utf-8") as told:
            told.write("[now] INFO started (kafka.Kafka)\n")
        self.listen()
        done.wait()
        with suppress(OSError):
            (self.own.data / ".kafka_cleanshutdown").write_text("", encoding="utf-8")

    def listen(self) -> None:
        """Serve every listener in the background."""
        for host, port in self.own.listeners("KAFKA_LISTENERS").values():
            server = socket.create_server((self.hosts.get(host, host), port), backlog=64)
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            client, _ = server.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, suppress(OSError):
            while head := stream.read(4):
                body = stream.read(struct.unpack(">i", head)[0])
                key, version, correlation = struct.unpack_from(">hhi", body)
                if (kind := KINDS.get(key)) is None:
                    return
                request = kind.decode(body, version=version, header=True)
                response = getattr(self, f"_{kind.__name__}")(request)
                response.API_VERSION = version
                response.with_header(correlation)
                client.sendall(response.encode(header=True, framed=True))

    # Each answers a request of its name.

    def _ApiVersionsRequest(self, _: Any) -> Any:  # noqa: N802 - named as in the protocol
        offered = metadata.ApiVersionsResponse.ApiVersion
        known = {key: kind.max_version for key, kind in KINDS.items()} | _AGE
        ranges = [offered(api_key=key, min_version=0, max_version=highest) for key, highest in known.items()]
        return metadata.ApiVersionsResponse(error_code=0, api_keys=ranges, throttle_time_ms=0)

    def _MetadataRequest(self, request: Any) -> Any:  # noqa: N802
        response = metadata.MetadataResponse
        alive = [place.number for place in self.alive()]
        known = self.topics()
        asked = list(known) if request.topics is None else [topic.name for topic in request.topics]
        one = response.MetadataResponseTopic
        members = sorted(self.members)
        return response(
            throttle_time_ms=0,
            brokers=[
                response.MetadataResponseBroker(node_id=number, host=host, port=port, rack=None)
                for number in alive
                for host, port in [self.members[number].listeners("KAFKA_ADVERTISED_LISTENERS")["EXTERNAL"]]
            ],
            cluster_id=self.own.values["CLUSTER_ID"],
            controller_id=alive[0],
            topics=[
                one(
                    error_code=0 if name in known else 3,
                    name=name,
                    is_internal=False,
                    partitions=[
                        one.MetadataResponsePartition(
                            error_code=0,
                            partition_index=index,
                            leader_id=alive[index % len(alive)],
                            leader_epoch=0,
                            replica_nodes=members,
                            isr_nodes=alive,
                            offline_replicas=[],
                        )
                        for index in range(known.get(name, {"partitions": 0})["partitions"])
                    ],
                )
                for name in asked
            ],
        )

    def _DescribeClusterRequest(self, _: Any) -> Any:  # noqa: N802
        response = admin.DescribeClusterResponse
        alive = {place.number for place in self.alive()}
        return response(
            throttle_time_ms=0,
            error_code=0,
            error_message=None,
            endpoint_type=1,
            cluster_id=self.own.values["CLUSTER_ID"],
            controller_id=min(alive),
            brokers=[
                response.DescribeClusterBroker(
                    broker_id=number, host=host, port=port, rack=None, is_fenced=number not in alive
                )
                for number, place in sorted(self.members.items())
                for host, port in [place.listeners("KAFKA_ADVERTISED_LISTENERS")["EXTERNAL"]]
            ],
        )

    def _DescribeQuorumRequest(self, _: Any) -> Any:  # noqa: N802
        alive = [place.number for place in self.alive()]
        response = admin.DescribeQuorumResponse
        if len(alive) * 2 <= len(self.members):
            return response(error_code=_UNAVAILABLE, error_message="no quorum", topics=[], nodes=[])
        partition = response.TopicData.PartitionData(
            partition_index=0,
            error_code=0,
            error_message=None,
            leader_id=alive[0],
            leader_epoch=1,
            high_watermark=1,
            current_voters=[],
            observers=[],
        )
        return response(
            error_code=0,
            error_message=None,
            topics=[response.TopicData(topic_name="__cluster_metadata", partitions=[partition])],
            nodes=[],
        )

    def _DescribeConfigsRequest(self, request: Any) -> Any:  # noqa: N802
        response = admin.DescribeConfigsResponse
        one = response.DescribeConfigsResult
        default = {"min.insync.replicas": "2", "retention.bytes": "-1", "segment.bytes": "67108864"}
        known = self.topics()
        return response(
            throttle_time_ms=0,
            results=[
                one(
                    error_code=0,
                    error_message=None,
                    resource_type=asked.resource_type,
                    resource_name=asked.resource_name,
                    configs=[
                        one.DescribeConfigsResourceResult(
                            name=name,
                            value=value,
                            read_only=False,
                            config_source=_OWN if name not in default else _DEFAULT,
                            is_sensitive=False,
                            synonyms=[],
                            config_type=1,
                            documentation=None,
                        )
                        for name, value in (default | known.get(asked.resource_name, {"config": {}})["config"]).items()
                    ],
                )
                for asked in request.resources
            ],
        )

    def _CreateTopicsRequest(self, request: Any) -> Any:  # noqa: N802
        known = self.topics()
        few = len(self.alive()) < len(self.members)  # by default a topic has a copy on each node
        response = admin.CreateTopicsResponse
        told = [
            response.CreatableTopicResult(
                name=topic.name,
                error_code=_EXISTS if topic.name in known else _TOO_FEW if few else 0,
                error_message=None,
                num_partitions=topic.num_partitions,
                replication_factor=3,
                configs=[],
            )
            for topic in request.topics
        ]
        made = {
            topic.name: {
                "partitions": topic.num_partitions,
                "config": {each.name: each.value for each in topic.configs},
            }
            for topic in request.topics
        }
        self.keep(known if few else made | known)
        return response(throttle_time_ms=0, topics=told)

    def _IncrementalAlterConfigsRequest(self, request: Any) -> Any:  # noqa: N802
        response = admin.IncrementalAlterConfigsResponse
        return response(
            throttle_time_ms=0,
            responses=[
                response.AlterConfigsResourceResponse(
                    error_code=0, error_message=None, resource_type=each.resource_type, resource_name=each.resource_name
                )
                for each in request.resources
            ],
        )

    def _ListGroupsRequest(self, _: Any) -> Any:  # noqa: N802
        return admin.ListGroupsResponse(throttle_time_ms=0, error_code=0, groups=[])


KINDS: dict[int, Any] = {
    kind.API_KEY: kind
    for kind in (
        metadata.ApiVersionsRequest,
        metadata.MetadataRequest,
        admin.DescribeClusterRequest,
        admin.DescribeQuorumRequest,
        admin.DescribeConfigsRequest,
        admin.CreateTopicsRequest,
        admin.IncrementalAlterConfigsRequest,
        admin.ListGroupsRequest,
    )
}
