"""The processes of a run: producer, consumer and observer, each with a journal, each ended by closing its input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from backbone import resources
from backbone.errors import ExitCode, StackError
from backbone.failover.entries import Killed, Watched
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from backbone.failover.journal import Journal

_END_S = 140.0  # a producer may have to wait for delivery_timeout_ms


@dataclass
class Process:
    """A child process; it ends by itself when this process does, because its input ends then."""

    name: str
    popen: subprocess.Popen[bytes]
    output: IO[bytes]


@dataclass
class Workload:
    """Starts, kills and ends the processes of one run. incarnations are counted: producer 0.0, after a kill 0.1."""

    folder: Path
    journal: Journal
    run: str
    topic: str
    group: str
    bootstrap: Sequence[str]
    brokers: Mapping[int, str]
    partitions: int
    rate: float
    size: int
    producer: Mapping[str, Any] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    _incarnations: dict[str, int] = field(default_factory=dict)

    def start(self, role: str) -> None:
        """Start a producer, consumer or observer."""
        number = self._incarnations[role] = self._incarnations.get(role, -1) + 1
        name = f"{role}-0.{number}"
        job = self._job(role, f"{role[0]}0.{number}") | {"journal": str(self.folder / f"{name}.jsonl")}
        output = (self.folder / f"{name}.log").open("wb")
        popen = subprocess.Popen(
            [sys.executable, "-m", f"backbone.failover.{role}", json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=resources.IMPORT_ROOT,
            start_new_session=True,  # Ctrl-C is ours to handle: they must end with a full journal
        )
        self.processes[role] = Process(name, popen, output)

    def _job(self, role: str, name: str) -> dict[str, Any]:
        if role == "observer":
            return {"brokers": dict(self.brokers), "topic": self.topic}
        common = {"bootstrap": list(self.bootstrap), "topic": self.topic, "run": self.run, "name": name}
        if role == "consumer":
            return common | {"group": self.group, "client": {}}
        return common | {
            "partitions": self.partitions, "rate": self.rate, "size": self.size, "client": dict(self.producer)
        }  # fmt: skip

    def kill(self, role: str) -> int:
        """SIGKILL one and return its exit status; its journal is excused for having no end, if that killed it."""
        process = self.processes.pop(role)
        process.popen.kill()
        status = process.popen.wait()
        self._excuse(process, status)
        return status

    def _excuse(self, process: Process, status: int) -> None:
        """Write down that a process was killed by us; one that had ended by itself before is not excused."""
        self._close(process)
        if status == -signal.SIGKILL:
            self.journal.write(Killed(process.name))

    def end(self, role: str) -> None:
        """Close its input and wait until it has ended. Raises StackError("workload-failed") if it did not end well."""
        process = self.processes.pop(role, None)
        if process is None:
            return
        if process.popen.stdin:
            process.popen.stdin.close()
        try:
            status = process.popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            status = process.popen.wait()
        self._close(process)
        if status != 0:
            raise self._failed(process, status)
        self.journal.write(Watched(role))

    def require_alive(self) -> None:
        """Raise StackError("workload-failed") if a process has ended that nobody ended."""
        for process in self.processes.values():
            if (status := process.popen.poll()) is not None:
                raise self._failed(process, status)

    def wait_for(self, role: str, text: str, *, count: int = 1, timeout: float = 60.0) -> None:
        """Wait until a process's journal contains some text so often."""
        path = self.folder / f"{self.processes[role].name}.jsonl"

        def seen() -> bool:
            self.require_alive()
            return path.exists() and path.read_bytes().count(text.encode()) >= count

        wait_until(
            seen,
            what=f"{count} × {text} in {path.name}",
            timeout=timeout,
            interval=0.1,
            last_seen=lambda: f"its last line: {_last_line(path)}",
        )

    def await_work(self, role: str) -> None:
        """Wait for a producer's first acknowledgement or a consumer's first delivery."""
        self.wait_for(role, {"producer": '["ok"', "consumer": '["deliver"'}[role])

    def abandon(self) -> None:
        """Kill whatever still runs: the way out of a failed run."""
        for role in tuple(self.processes):
            with suppress(OSError):  # a full disk is no reason to leave the others behind
                self.kill(role)

    @staticmethod
    def _close(process: Process) -> None:
        process.output.close()
        if process.popen.stdin:
            process.popen.stdin.close()

    def _failed(self, process: Process, status: int) -> StackError:
        output = self.folder / f"{process.name}.log"
        return StackError(
            "workload-failed",
            f"{process.name} ended with status {status}",
            context=output.read_text(encoding="utf-8", errors="replace")[-2000:] if output.exists() else None,
            exit_code=ExitCode.ENVIRONMENT,
        )


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return lines[-1] if lines else "none"
