"""Where the loopback is 127.0.0.1 alone, as on macOS: each node has ports of its own there, and all else is the same.

Here it is a network namespace: all tasks of the checkout run in it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

# The kernel gives 127.0.0.1/8 to a loopback that comes up; it lives until its input ends.
LOOPBACK = """
ip link set lo up
ip address delete 127.0.0.1/8 dev lo
ip address add 127.0.0.1/32 dev lo
echo ready
cat
"""


@pytest.fixture
def namespace() -> Iterator[tuple[str, ...]]:
    """Yield the words before a command that let it run where 127.0.0.1 is the only address."""
    root = os.geteuid() == 0
    with subprocess.Popen(
        ["unshare", *(() if root else ("--map-root-user",)), "--net", "sh", "-ec", LOOPBACK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        user = () if root else ("--user", "--preserve-credentials")
        yield "nsenter", "--target", str(holder.pid), *user, "--net"


def test_one_address_is_enough(namespace: tuple[str, ...], tmp_path: Path) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or platformdirs.user_cache_path())
    stack = checkout.make(tmp_path / "checkout", cache, shift=checkout.free_shift())
    stack.wrap = namespace
    stack.run("up", "--profile", "messaging", "--profile", "data")
    try:
        assert "127.0.0.11" not in (stack.root / ".stack" / "embedded" / "hosts").read_text(encoding="utf-8")
        assert "smoke: PASS" in stack.run("smoke", "--records", "100").stdout
        stack.run("contracts", "apply")
        stack.run("connectors", "apply")
        stack.run("archive", "--events", "200")
        report = stack.json("failover", "--quick")
        assert (report["verdict"], report["faults"]["proved"]) == ("valid", 3)
        assert stack.json("status")["ok"]
    finally:
        stack.run("down")
