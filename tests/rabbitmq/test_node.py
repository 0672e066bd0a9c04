"""A real RabbitMQ with our file, the user that our one-shot makes and our health command. Older, and no container.

Only addresses are others: the node's ports, its names and its folders are this test's own.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.stack import compose, rabbitmq
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests import ROOT
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INFRA = ROOT / "infra/05-messaging/rabbitmq"
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
START_S, STOP_S = 90, 60


class Node:
    """A node in a folder of its own. file: the account that the one-shot made."""

    def __init__(self, folder: Path) -> None:
        self.port, management, distribution, names = free_ports(4)
        self.log = folder / "log"
        self.file = folder / "conf.d" / "30-user.conf"
        self.file.parent.mkdir()
        script = folder / "make-user.sh"  # whoever owns it owns the account
        script.write_bytes((INFRA / "make-user.sh").read_bytes())
        subprocess.run(["/bin/sh", script, self.file], check=True)
        (folder / "conf.d" / "90-ports.conf").write_text(f"management.tcp.port = {management}\n", encoding="utf-8")
        (folder / "plugins").write_text("[rabbitmq_management].\n", encoding="utf-8")
        self.environ: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # the cookie
            "RABBITMQ_NODENAME": f"test-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONFIG_FILE": str(INFRA / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(self.file.parent),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        }

    def healthy(self) -> bool:
        """Ask as the container's health check does."""
        (service,) = (each for each in [compose.load(Settings(environ={}), ["rabbitmq"])["rabbitmq"]])
        tool, *arguments = service.raw["healthcheck"]["test"][1:]
        argv = [PROGRAMS / tool, *arguments]
        return subprocess.run(argv, env=self.environ, check=False, capture_output=True, timeout=30).returncode == 0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    assert PROGRAMS.is_dir(), "apt-get install --no-install-recommends rabbitmq-server"
    found = Node(tmp_path_factory.mktemp("node"))
    with found.log.open("wb") as log:
        process = subprocess.Popen(
            [PROGRAMS / "rabbitmq-server"], env=found.environ, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_until(found.healthy, what="RabbitMQ", timeout=START_S, last_seen=lambda: found.log.read_text()[-2000:])
            yield found
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=STOP_S)
            subprocess.run(["epmd", "-kill"], env=found.environ, check=False, capture_output=True)


def test_it_says_that_it_read_both_files(node: Node) -> None:
    said = node.log.read_text(encoding="utf-8")
    assert str(INFRA / "rabbitmq.conf") in said
    assert str(node.file) in said
    assert re.search(r"Memory high watermark set to .* of .*total", said, re.DOTALL)
    assert "Disk free limit set to 1000MB" in said


def test_only_the_owner_and_its_group_read_the_account(node: Node) -> None:
    assert stat.S_IMODE(node.file.stat().st_mode) == 0o640


def test_a_message_goes_through_a_quorum_queue_and_back(node: Node) -> None:
    with closing(rabbitmq.AmqpChannel("127.0.0.1", node.port, rabbitmq.read_account(node.file))) as channel:
        rabbitmq.smoke(channel)


def test_there_is_no_guest(node: Node) -> None:
    with pytest.raises(StackError, match="no RabbitMQ answers"):
        rabbitmq.AmqpChannel("127.0.0.1", node.port, rabbitmq.Account("guest", "guest"))


def test_the_log_is_the_containers(node: Node) -> None:
    """log.file = false: nothing is written beside the output."""
    logs = Path(node.environ["RABBITMQ_LOG_BASE"])
    assert [path for path in logs.glob("*.log") if path.stat().st_size] == []
