"""One question, one answer, over one socket to one broker: what an observer needs and a full client hides.

A client library retries, routes around a broker that does not answer and caches what it learnt. To see what *this*
broker says *now*, or that it says nothing, take kafka-python's encoding and a plain socket with a deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka.protocol.admin import DescribeQuorumRequest
from kafka.protocol.consumer import ListOffsetsRequest
from kafka.protocol.metadata import FindCoordinatorRequest, MetadataRequest
from kafka.protocol.parser import KafkaProtocol

from backbone import client_properties, kafka_probe

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

_CHUNK = 1 << 16
_GROUP = 0
_EARLIEST, _LATEST = -2, -1


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """A partition as a broker's metadata has it; leader -1 for none."""

    leader: int
    epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Alive (unfenced) brokers and the partitions of one topic."""

    brokers: tuple[int, ...]
    partitions: Mapping[int, PartitionInfo]


class Connection:
    """A socket to one broker. Any failure closes it and raises OSError; the next question opens a new one."""

    def __init__(self, address: str, timeout: float = 1.0) -> None:
        self._address = address
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._protocol: Any = None
        self.generation = 0

    def ask(self, request: Any) -> Any:
        """Send a request and return its response, within the timeout (s)."""
        try:
            open_socket = self._open()
            self._protocol.send_request(request)
            open_socket.sendall(self._protocol.send_bytes())
            while True:
                data = open_socket.recv(_CHUNK)
                if not data:
                    raise ConnectionResetError("closed by the broker")
                for _, response in self._protocol.receive_bytes(data):
                    return response
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) or not isinstance(error, Exception):
                raise
            raise OSError(f"{type(error).__name__}: {error}") from error

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._dial()
            self._protocol = KafkaProtocol(client_id="failover-observer")
            self.generation += 1
        return self._socket

    def _dial(self) -> socket.socket:
        security = client_properties.current()
        if security.file:
            return kafka_probe.connect(self._address, security, self._timeout)
        return kafka_probe.dial(self._address, self._timeout)

    def close(self) -> None:
        """Close the socket, if it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def metadata(connection: Connection, topic: str) -> Metadata:
    """Return what this broker knows of the cluster and a topic; partitions is empty if it does not know the topic."""
    asked = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False, version=9
    )
    answer = connection.ask(asked)
    return Metadata(
        brokers=tuple(sorted(broker.node_id for broker in answer.brokers)),
        partitions={
            one.partition_index: PartitionInfo(
                one.leader_id, one.leader_epoch, tuple(one.replica_nodes), tuple(one.isr_nodes)
            )
            for one in answer.topics[0].partitions
        },
    )


def controller(connection: Connection) -> tuple[int, int]:
    """Return (leader, epoch) of the metadata quorum; the broker asks the leader, so no answer means none (KIP-595)."""
    partition = DescribeQuorumRequest.TopicData.PartitionData(partition_index=0)
    topic = DescribeQuorumRequest.TopicData(topic_name="__cluster_metadata", partitions=[partition])
    answer = connection.ask(DescribeQuorumRequest(topics=[topic], version=1))
    if answer.error_code or not answer.topics:
        raise OSError(f"the quorum cannot be described: error {answer.error_code}")
    found = answer.topics[0].partitions[0]
    return found.leader_id, found.leader_epoch


def coordinator(connection: Connection, group: str) -> int:
    """Return the broker that coordinates a consumer group."""
    answer = connection.ask(FindCoordinatorRequest(key=group, key_type=_GROUP, version=3))
    if answer.error_code:
        raise OSError(f"no coordinator for {group}: error {answer.error_code}")
    return int(answer.node_id)


def offsets(connection: Connection, topic: str, epochs: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Return partition → (log start, high watermark) of those this broker leads in the given leader epoch (KIP-320).

    A deposed leader that does not know it yet answers with an error, not with its old watermark.
    """
    low = _list_offsets(connection, topic, epochs, _EARLIEST)
    high = _list_offsets(connection, topic, epochs, _LATEST)
    return {partition: (low[partition], high[partition]) for partition in low.keys() & high.keys()}


def _list_offsets(connection: Connection, topic: str, epochs: Mapping[int, int], which: int) -> dict[int, int]:
    one = ListOffsetsRequest.ListOffsetsTopic
    partitions: Sequence[object] = [
        one.ListOffsetsPartition(partition_index=partition, current_leader_epoch=epoch, timestamp=which)
        for partition, epoch in epochs.items()
    ]
    request = ListOffsetsRequest(
        replica_id=-1, isolation_level=0, topics=[one(name=topic, partitions=partitions)], version=5
    )
    answer = connection.ask(request)
    return {found.partition_index: found.offset for found in answer.topics[0].partitions if not found.error_code}
