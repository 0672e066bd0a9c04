"""A Docker engine of our own for a test run, where nobody runs one: root on Linux, nothing more.

dockerd lives in its own PID and mount namespace under a supervisor, which watches a pipe from the test run. When
that closes, however the run ended, it kills the namespace and removes what the kernel keeps (bridges, control
groups) and the folder. A supervisor that is itself killed takes dockerd with it (PR_SET_PDEATHSIG); what it
leaves is swept by the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_PREFIX = "messaging-engine-"
_TOOLS = ("dockerd", "tini", "unshare", "setpriv", "iptables", "ip")
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 60
_IP = shutil.which("ip") or "ip"
_BRIDGE = re.compile(rb'"BridgeName":"(br-[0-9a-f]{12})"')


def obstacle() -> str | None:
    """Say why no engine can be started here, None if one can."""
    if sys.platform != "linux":
        return f"a private engine needs Linux, this is {sys.platform}"
    if os.geteuid() != 0:
        return "a private engine needs root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"a private engine needs {', '.join(missing)} (apt-get install docker.io iptables)"
    return None


@contextlib.contextmanager
def private_engine() -> Iterator[str]:
    """Start an engine, yield its DOCKER_HOST, remove it and everything it made."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "tests.docker.private", str(folder)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the test run's group must not reach the one who cleans up
    )
    try:
        wait_until(
            lambda: _answers(folder / "docker.sock") or supervisor.poll() is not None,
            what="the private engine",
            timeout=_START_TIMEOUT_S,
            last_seen=lambda: _tail(folder / "dockerd.log"),
        )
        if supervisor.poll() is not None:
            raise RuntimeError(f"the private engine ended: {_tail(folder / 'dockerd.log')}")
        yield f"unix://{folder}/docker.sock"
    finally:
        if supervisor.stdin is not None:
            supervisor.stdin.close()
        supervisor.wait(timeout=_STOP_TIMEOUT_S)


def sweep() -> list[Path]:
    """Remove what engines left whose supervisor was killed; return their folders."""
    stale = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError), (folder / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _remove(folder)
            stale.append(folder)
    return stale


def leftovers() -> list[str]:
    """Name what engines of this kind have left on the machine: folders, control groups, processes."""
    groups = Path("/sys/fs/cgroup").glob(f"**/{_PREFIX}*")
    return [str(path) for path in (*Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"), *groups)]


def bridges() -> set[str]:
    """Return the names of Docker's bridges on this machine."""
    return {path.name for path in Path("/sys/class/net").glob("br-*")}


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "it said nothing"


def supervise(folder: Path, run: IO[bytes]) -> None:
    """Own an engine until `run` reaches its end, then remove it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with (folder / "lock").open("wb") as lock, (folder / "dockerd.log").open("wb") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        namespace = subprocess.Popen(_command(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        run.read()
        namespace.kill()
        namespace.wait()
        _remove(folder)


def _command(folder: Path) -> list[str]:
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--fork", "--pid", "--mount", "--mount-proc", "--kill-child"),
        *("tini", "-s", "--", "dockerd"),
        *("--data-root", f"{folder}/data"),
        *("--exec-root", f"{folder}/exec"),
        *("--pidfile", f"{folder}/pid"),
        *("--host", f"unix://{folder}/docker.sock"),
        *("--cgroup-parent", f"/{folder.name}"),
        # The machine's firewall is left alone: containers share a bridge, ports go through docker-proxy.
        *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    ]


def _remove(folder: Path) -> None:
    store = folder / "data" / "network" / "files" / "local-kv.db"
    for bridge in set(_BRIDGE.findall(store.read_bytes())) if store.exists() else ():
        subprocess.run([_IP, "link", "delete", bridge.decode()], check=False, capture_output=True)
    for group in sorted(Path("/sys/fs/cgroup").glob(f"**/{folder.name}/**/"), reverse=True):
        with contextlib.suppress(OSError):
            group.rmdir()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    supervise(Path(sys.argv[1]), sys.stdin.buffer)
