from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
import threading
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded import preflight
from backbone.stack.engine.embedded.local_service import LocalService
from tests.fakes import model

if TYPE_CHECKING:
    from collections.abc import Iterator

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - the shape of shutil.disk_usage
PLENTY = 64 << 30
NOBODY = 65534


def local(root: Path, name: str = "kafka-1", *, listeners: str = "", ports: tuple[int, ...] = ()) -> LocalService:
    body: dict[str, Any] = {
        "environment": {"KAFKA_LISTENERS": listeners} if listeners else {},
        "ports": [{"host_ip": "127.0.0.1", "published": str(port), "target": port} for port in ports],
        "volumes": [{"type": "bind", "source": str(root / "data" / name), "target": "/data"}],
    }
    return LocalService(model(**{name: body})[name], root / name, {name: "127.0.0.11"}, root, lambda _: [], root)


def check(*places: LocalService, disk: int = PLENTY, memory: int = PLENTY) -> None:
    preflight.check(places, disk_usage=lambda _: Usage(disk, 0, disk), available_memory=lambda: memory)


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[int]:
    with socket.create_server((host, 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def refused(reference: str, exit_code: ExitCode = ExitCode.ENVIRONMENT) -> Iterator[pytest.ExceptionInfo[StackError]]:
    with pytest.raises(StackError) as caught:
        yield caught
    assert (caught.value.reference, caught.value.exit_code) == (reference, exit_code)
    assert caught.value.hint


@pytest.fixture
def free_port() -> int:
    with listening() as port:
        return port


def test_all_is_well_on_free_ports_and_makes_the_data_folder(tmp_path: Path, free_port: int) -> None:
    here = local(tmp_path, listeners=f"INTERNAL://kafka-1:{free_port}", ports=(free_port,))
    check(here)
    assert [list(folder.iterdir()) for folder in here.data_dirs()] == [[]]


def test_nothing_to_start_needs_nothing() -> None:
    check(disk=0, memory=0)
    assert preflight.MIN_FREE_DISK > 0


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - somebody else's server
def test_a_taken_port_is_told_with_its_owner_and_how_to_move(tmp_path: Path, host: str) -> None:
    with listening(host) as port, refused("port-in-use") as caught:
        check(local(tmp_path, ports=(port,)))
    error = caught.value
    assert str(error.context).startswith(f"127.0.0.1:{port} of kafka-1 is taken by pid {os.getpid()} (")
    assert "./invoke ports --shift" in str(error.hint)


def test_a_port_of_a_process_that_is_ending_is_waited_for(tmp_path: Path) -> None:
    with socket.socket() as nameless:  # bound and not listening: nobody is seen to have it, as of one that ends
        nameless.bind(("127.0.0.1", 0))
        here = local(tmp_path, ports=(nameless.getsockname()[1],))
        with refused("port-in-use") as caught:
            check(here)
        assert "another user" in str(caught.value.context)
        released = threading.Timer(0.2, nameless.close)
        released.start()
        check(here)
        released.join()


def test_every_taken_port_is_told_at_once(tmp_path: Path) -> None:
    with listening() as first, listening("127.0.0.11") as second, refused("port-in-use") as caught:
        check(local(tmp_path, listeners=f"INTERNAL://kafka-1:{second}", ports=(first,)))
    assert caught.value.message.startswith("2 addresses ")
    assert f"127.0.0.11:{second} of kafka-1" in str(caught.value.context)
    assert f"127.0.0.1:{first} of kafka-1" in str(caught.value.context)


def test_the_same_port_on_another_address_is_free(tmp_path: Path) -> None:
    with listening("127.0.0.12") as port:
        check(local(tmp_path, listeners=f"INTERNAL://kafka-1:{port}"))
        assert list(preflight.wanted_addresses(local(tmp_path, listeners=f"A://kafka-1:{port}"))) == [
            ("127.0.0.11", port)
        ]


def test_two_services_that_want_one_address_are_told(tmp_path: Path, free_port: int) -> None:
    with refused("port-twice", ExitCode.USAGE) as caught:
        check(local(tmp_path, "kafka-1", ports=(free_port,)), local(tmp_path, "kafka-2", ports=(free_port,)))
    assert f"127.0.0.1:{free_port}" in caught.value.message
    assert "kafka-1, kafka-2" in caught.value.message


def test_an_address_that_this_machine_does_not_have_is_told(tmp_path: Path, free_port: int) -> None:
    with refused("no-loopback-address") as caught:
        check(local(tmp_path, listeners=f"A://192.0.2.1:{free_port}"))
    assert "192.0.2.1" in caught.value.message


def test_a_published_port_that_a_listener_names_is_asked_for_once(tmp_path: Path) -> None:
    here = local(tmp_path, listeners="INTERNAL://kafka-1:19092,EXTERNAL://0.0.0.0:9092", ports=(9092, 7071))
    assert list(preflight.wanted_addresses(here)) == [("127.0.0.11", 19092), ("127.0.0.1", 9092), ("127.0.0.1", 7071)]


def test_a_full_disk_is_told_with_what_is_needed(tmp_path: Path) -> None:
    with refused("disk-full") as caught:
        check(local(tmp_path), disk=100 << 20)
    assert caught.value.message == f"100 MiB are free for {tmp_path}/data/kafka-1, at least 1024 MiB are needed"
    assert "DEFAULT_MESSAGE_BROKER_DIR" in str(caught.value.hint)


def test_a_disk_at_the_threshold_is_enough(tmp_path: Path) -> None:
    check(local(tmp_path), disk=preflight.MIN_FREE_DISK)
    with refused("disk-full"):
        check(local(tmp_path), disk=preflight.MIN_FREE_DISK - 1)


def test_too_little_memory_is_told(tmp_path: Path) -> None:
    with refused("memory-short") as caught:
        check(local(tmp_path), local(tmp_path, "kafka-2"), memory=800 << 20)
    assert caught.value.message == "2 services need about 900 MiB, 800 MiB are available"


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with refused("folder-not-writable") as caught:
        check(local(tmp_path))
    assert str(tmp_path / "data" / "kafka-1") in caught.value.message


@pytest.fixture
def folder_of_another() -> Iterator[Path]:
    """Yield a folder that this user cannot write to; as root, become somebody else for the while."""
    folder = Path(tempfile.mkdtemp())  # not below tmp_path, which only its owner can enter
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("below", ["", "kafka/kafka-1"])
def test_a_read_only_folder_is_told(folder_of_another: Path, below: str) -> None:
    with refused("folder-not-writable") as caught:
        preflight.make_folder(folder_of_another / below)
    assert "Permission denied" in str(caught.value.context)
    assert str(folder_of_another) in str(caught.value.hint)


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path: Path) -> None:
    preflight.make_folder(tmp_path / "a" / "b")
    preflight.make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_low_hard_limit_of_open_files_is_named(tmp_path: Path, free_port: int) -> None:
    here = local(tmp_path, ports=(free_port,))
    with refused("open-files") as caught:
        preflight.check([here], available_memory=lambda: 1 << 40, open_files=lambda: 256)
    assert "`ulimit -n` is 256" in str(caught.value.context)
    preflight.check([here], available_memory=lambda: 1 << 40, open_files=lambda: preflight.MIN_OPEN_FILES)
    assert preflight.open_files_limit() > 0


@pytest.mark.parametrize(
    ("number", "reference"), [(errno.EACCES, "port-privileged"), (errno.EADDRNOTAVAIL, "no-loopback-address")]
)
def test_an_address_that_is_never_free_is_not_called_taken(number: int, reference: str) -> None:
    found = preflight.unusable("127.0.0.1", 80, OSError(number, os.strerror(number)))
    assert found is not None
    assert found.reference == reference
    assert preflight.unusable("127.0.0.1", 80, OSError(errno.EADDRINUSE, "taken")) is None
