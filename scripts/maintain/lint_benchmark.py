"""How long a lint takes: against dclint on this stack, over growing projects, and on hostile input.

Method: each run is a whole process, started like a user starts it, measured from outside in wall clock. The
two linters take turns, so that both see the same machine. Compared are the best and the median of all runs; a
run before the first is thrown away (file caches, bytecode). Memory is the sum over the process tree, sampled.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbone import console
from backbone.errors import ExitCode, StackError
from backbone.stack.settings import Settings
from scripts.maintain import ROOT, processes, program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DCLINT = "dclint@3.1.0"
SIZES = (60, 125, 250, 500)
_SCRIPT = "import sys; from backbone.lint.cli import main; sys.exit(main())"
_NODE = """\
  {name}:
    image: apache/kafka:4.3.1
    hostname: {name}
    environment:
      CLUSTER_ID: TWVzc2FnaW5nQmFja2JvbQ
      KAFKA_NODE_ID: "{node}"
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: {voters}
      KAFKA_INTER_BROKER_LISTENER_NAME: INTERNAL
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:PLAINTEXT
      KAFKA_LISTENERS: INTERNAL://{name}:19092,CONTROLLER://{name}:19093,EXTERNAL://0.0.0.0:{port}
      KAFKA_ADVERTISED_LISTENERS: INTERNAL://{name}:19092,EXTERNAL://127.0.0.1:${{PORT_{number}:-{port}}}
    ports: ["127.0.0.1:${{PORT_{number}:-{port}}}:{port}"]
    healthcheck: {{test: [CMD, "true"], interval: 5s, timeout: 3s}}
"""
_CLIENT = """\
  client-{number}:
    image: confluentinc/cp-kcat:7.1.1
    environment:
      BOOTSTRAP_SERVERS: {bootstrap}
    depends_on: {{{first}: {{condition: service_healthy}}}}
"""
_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Run:
    """One process: wall seconds, the tree's peak memory in MiB, exit code and its last words."""

    seconds: float
    peak_mib: float
    exit_code: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Several runs of one command, in seconds."""

    name: str
    best: float
    median: float
    runs: int


@dataclass(frozen=True, slots=True)
class Report:
    """All figures.

    linear: seconds a service costs at the largest size, over the same at half of it (1 = linear).
    """

    stack: tuple[Timing, ...]
    sizes: Mapping[int, Timing]
    linear: float
    hostile: Mapping[str, Run]

    def as_dict(self) -> dict[str, object]:
        """Return the figures as they are kept in a file."""
        return asdict(self)


def measure(folder: Path, runs: int, progress: Callable[[str], None]) -> Report:
    """Measure everything, with generated projects and dclint installed below `folder`."""
    progress(f"installing {DCLINT}")
    dclint = install_dclint(folder / "npm")
    files = [path.relative_to(ROOT).as_posix() for path in _stack_files()]
    progress(f"this stack, {runs} runs each, taking turns")
    stack = compare({"kafka-compose-lint": lint(ROOT), "dclint": [*dclint, *files]}, runs)
    sizes = {}
    for size in SIZES:
        progress(f"{size} services")
        project = write_project(folder / f"services-{size}", size)
        (sizes[size],) = compare({f"{size} services": lint(project)}, max(runs // 3, 3))
    half, full = sizes[SIZES[-2]].best, sizes[SIZES[-1]].best
    hostile = {}
    for name, content in hostile_projects().items():
        progress(f"hostile: {name}")
        hostile[name] = run(lint(write_hostile(folder / name, content)))
    return Report(stack, sizes, (full / SIZES[-1]) / (half / SIZES[-2]), hostile)


def lint(project: Path) -> list[str]:
    """Return the command that lints a project: what the script `kafka-compose-lint` of the wheel does."""
    return [sys.executable, "-c", _SCRIPT, "--format", "json", str(project)]


def install_dclint(prefix: Path) -> list[str]:
    """Install the pinned dclint below a folder and return its command.

    Raises StackError without node and npm.
    """
    argv = ["npm", "install", "--prefix", str(prefix), "--no-audit", "--no-fund", "--ignore-scripts", DCLINT]
    prefix.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except FileNotFoundError as error:
        raise StackError(
            "no-npm", "npm is not installed", hint="install Node.js", exit_code=ExitCode.ENVIRONMENT
        ) from error
    if done.returncode:
        raise StackError(
            "npm-failed",
            f"npm could not install {DCLINT}",
            done.stderr[-2000:],
            exit_code=ExitCode.ENVIRONMENT,
        )
    return ["node", str(prefix / "node_modules" / "dclint" / "bin" / "dclint.cjs")]


def compare(commands: Mapping[str, Sequence[str]], runs: int) -> tuple[Timing, ...]:
    """Run the commands in turns and return their timings; the first turn is thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, argv in commands.items():
            taken = processes.run(argv, timeout=_TIMEOUT_S).seconds
            if turn:
                seconds[name].append(taken)
    return tuple(
        Timing(name, round(min(taken), 3), round(statistics.median(taken), 3), len(taken))
        for name, taken in seconds.items()
    )


def run(argv: Sequence[str]) -> Run:
    """Run one command and watch its memory."""
    ran = processes.run(argv, timeout=_TIMEOUT_S)
    output = ran.output + ran.errors
    lines = [line for line in output.splitlines() if '"message"' in line or line[:1].isalpha()]
    return Run(ran.seconds, ran.peak_mib, ran.exit_code, lines[0].strip()[:200] if lines else "")


def write_project(folder: Path, services: int) -> Path:
    """Write a project of three-node Kafka clusters, each with two clients, of so many services."""
    folder.mkdir(parents=True, exist_ok=True)
    bodies = [_service(number) for number in range(services)]
    (folder / "docker-compose.yml").write_text("services:\n" + "".join(bodies), encoding="utf-8")
    return folder


def hostile_projects() -> dict[str, bytes]:
    """Return what a linter must survive: contents of a docker-compose.yml, b"" for a folder of that name."""
    bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (new, new, b",".join([b"*%c" % old] * 9))
        for old, new in zip(b"abcdefghijk", b"bcdefghijkl", strict=True)
    )
    return {
        "folder": b"",
        "not-utf8": b"services:\n  a: {image: caf\xe9}\n",
        "nul-bytes": b"services:\n  a: {image: \0\0}\n",
        "comment-only": b"# nothing\n",
        "billion-laughs": bomb + b"services: {a: {image: x}}\n",
        "self-alias": b"services: &s {a: *s}\n",
        "deep-brackets": b"a: " + b"[" * 1_000_000,
        "deep-lists": b"- " * 1_000_000 + b"x\n",
        "recursive-include": b"include: [docker-compose.yml]\nservices: {a: {image: x}}\n",
        "recursive-extends": b"services: {a: {extends: b}, b: {extends: a}}\n",
        "5000-services": b"services:\n" + b"".join(b"  s%d: {image: 'x:1'}\n" % number for number in range(5_000)),
        "5000-kafka": ("services:\n" + "".join(map(_service, range(5_000)))).encode(),
        "one-line-of-5-mb": b"services: {a: {image: x, environment: [" + b"A=$A," * 1_000_000 + b"]}}\n",
        "long-scalar": b"services: {a: {image: x, command: '" + b"${A:-" * 1_000_000 + b"'}}\n",
    }


def write_hostile(folder: Path, content: bytes) -> Path:
    """Write one hostile project and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "docker-compose.yml"
    if content:
        file.write_bytes(content)
    else:
        file.mkdir(exist_ok=True)
    return folder


def _service(number: int) -> str:
    """Return one service: nodes 1-3 of a cluster, then two clients of it."""
    cluster, role = divmod(number, 5)
    names = [f"kafka-{cluster}-{node}" for node in (1, 2, 3)]
    fields = {
        "number": number,
        "node": role + 1,
        "port": 20_000 + number,
        "first": names[0],
        "name": names[role % 3],
        "voters": ",".join(f"{node}@{name}:19093" for node, name in enumerate(names, 1)),
        "bootstrap": ",".join(f"{name}:19092" for name in names),
    }
    return (_NODE if role < len(names) else _CLIENT).format(**fields)


def _stack_files() -> list[Path]:
    return [ROOT / "docker-compose.yml", *sorted((ROOT / "infra").rglob("*.yml"))]


def main(argv: Sequence[str]) -> ExitCode:
    """Measure the linter: against dclint, over growing projects, on hostile input; kept in results/."""
    parser = argparse.ArgumentParser(prog="nox -s lint-bench --", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=15, help="of each linter on this stack (default 15)")
    runs = parser.parse_args(argv).runs
    with tempfile.TemporaryDirectory(prefix="lint-bench-") as folder:
        report = measure(Path(folder), runs, console.say)
    kept = Settings().results_dir / time.strftime("lint-bench-%Y%m%d-%H%M%S.json")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
    timings = [*report.stack, *report.sizes.values()]
    console.print_table(
        ["what", "best s", "median s", "runs"],
        [(each.name, each.best, each.median, each.runs) for each in timings],
    )
    console.print_table(
        ["hostile input", "s", "peak MiB", "exit", "first words"],
        [(name, each.seconds, each.peak_mib, each.exit_code, each.words) for name, each in report.hostile.items()],
    )
    console.say(f"cost of a service at twice the size: {report.linear:.2f} times; kept in {kept}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
