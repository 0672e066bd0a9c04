"""Questions to one broker over a real socket: the answer, or OSError, never a hang and never another broker's word."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from kafka.protocol.consumer import ListOffsetsResponse
from kafka.protocol.metadata import MetadataResponse

from backbone.failover import wire
from backbone.failover.entries import SawBrokers
from backbone.failover.journal import Journal, load
from backbone.failover.observer import Changes
from backbone.failover.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LENGTH = 4


class FakeBroker:
    """Accepts connections and answers every request with the same response, or not at all."""

    def __init__(self, response: Any = None, *, hang: bool = False) -> None:
        self._response = response
        self._hang = hang
        self._server = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.connections = 0
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                with connection:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        while head := connection.recv(_LENGTH):
            request = connection.recv(int.from_bytes(head, "big"))
            if self._hang:
                self._over.wait()
                return
            if self._response is None:
                return
            correlation = int.from_bytes(request[4:8], "big")
            self._response.with_header(correlation_id=correlation)
            connection.sendall(self._response.encode(framed=True, header=True))

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@contextlib.contextmanager
def broker(response: Any = None, *, hang: bool = False) -> Iterator[FakeBroker]:
    fake = FakeBroker(response, hang=hang)
    try:
        yield fake
    finally:
        fake.close()


@contextlib.contextmanager
def connection(address: str, timeout: float = 5.0) -> Iterator[wire.Connection]:
    one = wire.Connection(address, timeout)
    try:
        yield one
    finally:
        one.close()


def metadata_response(*, isr: tuple[int, ...] = (1, 2), epoch: int = 7) -> Any:
    topic = MetadataResponse.MetadataResponseTopic
    partition = topic.MetadataResponsePartition(
        partition_index=0, leader_id=2, leader_epoch=epoch, replica_nodes=[1, 2, 3], isr_nodes=list(isr)
    )
    nodes = [MetadataResponse.MetadataResponseBroker(node_id=node, host="h", port=1) for node in (2, 1)]
    return MetadataResponse(brokers=nodes, topics=[topic(name="t", partitions=[partition])], version=9)


def test_metadata_is_what_this_broker_says() -> None:
    with broker(metadata_response()) as fake, connection(fake.address) as one:
        known = wire.metadata(one, "t")
        assert known.brokers == (1, 2)
        assert known.partitions == {0: wire.PartitionInfo(2, 7, (1, 2, 3), (1, 2))}
        assert wire.metadata(one, "t") == known
        assert fake.connections == 1


def test_offsets_leave_out_what_is_not_led_here() -> None:
    topic = ListOffsetsResponse.ListOffsetsTopicResponse
    found = [
        topic.ListOffsetsPartitionResponse(partition_index=0, error_code=0, offset=42),
        topic.ListOffsetsPartitionResponse(partition_index=1, error_code=6, offset=-1),
    ]
    response = ListOffsetsResponse(topics=[topic(name="t", partitions=found)], version=5)
    with broker(response) as fake, connection(fake.address) as one:
        assert wire.offsets(one, "t", {0: 3, 1: 4}) == {0: (42, 42)}


def test_a_broker_that_hangs_up_is_an_error_and_the_next_question_a_new_connection() -> None:
    with broker() as fake, connection(fake.address) as one:
        for attempt in (1, 2):
            with pytest.raises(OSError, match="closed by the broker"):
                wire.metadata(one, "t")
            assert one.generation == attempt


def test_a_frozen_broker_is_an_error_after_the_timeout() -> None:
    with broker(hang=True) as fake, connection(fake.address, timeout=0.05) as one, pytest.raises(TimeoutError):
        wire.metadata(one, "t")


def test_nobody_there_is_an_error() -> None:
    with broker() as fake:
        address = fake.address
    with connection(address) as one, pytest.raises(ConnectionRefusedError):
        wire.metadata(one, "t")


def test_nonsense_is_an_error() -> None:
    wrong = metadata_response()
    with broker(wrong) as fake, connection(fake.address) as one, pytest.raises(OSError, match="Error"):
        wire.offsets(one, "t", {0: 1})


def test_the_ground_believes_the_newest_view() -> None:
    with broker(metadata_response(epoch=7)) as old, broker(metadata_response(epoch=8, isr=(2, 3))) as new:
        target = Target({1: old.address, 2: new.address}, "t", "g", 1, 1.0, lambda nodes: nodes[0])
        known = target.metadata()
        assert known is not None
        assert known.partitions[0].isr == (2, 3)
        assert target.answers(1)
        assert not target.whole()
        target.close()


def test_whole_is_what_all_brokers_agree_on() -> None:
    full = metadata_response(isr=(3, 1, 2))
    with broker(full) as one, broker(full) as two:
        target = Target({1: one.address, 2: two.address}, "t", "g", 1, 1.0, lambda nodes: nodes[0])
        assert target.whole()
        target.close()
        two.close()
        assert not target.whole()
        assert not target.answers(2)
        target.close()


def test_a_view_is_written_when_it_changes_and_now_and_then(tmp_path: Path) -> None:
    now = [0]
    journal = Journal(tmp_path / "observer.jsonl", clock=lambda: now[0])
    changes = Changes(journal, clock=lambda: now[0])
    for at, alive in ((0, (1, 2)), (100, (1, 2)), (200, (1,)), (300, (1,)), (900, (1,))):
        now[0] = at * 1_000_000
        changes.write(SawBrokers("2#1", list(alive)), "2#1")
    journal.close()
    assert [view.at // 1_000_000 for view in load(tmp_path).brokers] == [0, 200, 900]
