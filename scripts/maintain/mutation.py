"""How many small bugs in the pure cores the unit tests notice: mutation testing with Cosmic Ray, on a random sample.

Method: Cosmic Ray lists every one-place change of its operators (another comparison, another number, `not` before a
condition, a loop that never runs, …). Of each place one change is drawn, and of these so many for each core, by a
seed. Each is made in a copy of the checkout, and the tests of that core run until the first failure. Left out are
another operator for `|`, which stands in annotations that nothing evaluates, and the options of `@dataclass`.

Runs in the environment of `nox -s mutation`, which has Cosmic Ray; the tests run in the development environment.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHECKOUT = Path(__file__).parents[2]
PYTHON = CHECKOUT / ".nox" / "dev" / "bin" / "python"
_EXCLUDED = re.compile(r"core/ReplaceBinaryOperator_BitOr_")
_TIMEOUT_S = 300
_RULE = re.compile(r'@rule\("(KC\d+)"')


@dataclass(frozen=True, slots=True)
class Core:
    """Modules without clocks, clients or processes, and the tests that are to notice a bug in them."""

    name: str
    paths: tuple[str, ...]
    tests: tuple[str, ...]


CORES = (
    Core("statistics", ("backbone/bench/statistics.py",), ("tests/unit/bench/test_statistics.py",)),
    Core("failover", ("backbone/failover/rules",), ("tests/unit/failover/test_checker.py",)),
    Core("contracts", ("backbone/events/contracts",), ("tests/unit/contracts",)),
    Core("lint", ("backbone/lint/rules",), ("tests/lint/test_cases.py", "tests/lint/test_documentation.py")),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where it is, as a diff, and whether a test failed by it."""

    module: Path
    line: int
    diff: str
    noticed: bool


def main(argv: Sequence[str]) -> int:
    """Change the cores in one place at a time and count how many changes the unit tests notice."""
    parser = argparse.ArgumentParser(prog="nox -s mutation --", description=main.__doc__)
    parser.add_argument("--core", action="append", choices=[core.name for core in CORES], help="only this (repeatable)")
    parser.add_argument("--sample", type=int, default=40, help="changes for each core (default 40; 0: all places)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder:
        copy = _copied(Path(folder, "checkout"))
        for core in CORES:
            if not options.core or core.name in options.core:
                places, mutants = _try(core, copy, options.sample, random.Random(options.seed))  # noqa: S311 - a sample
                _report(core, places, mutants)
    return 0


def _copied(target: Path) -> Path:
    """Copy what git knows of the checkout, changes included."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (source := CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def _try(core: Core, copy: Path, sample: int, source: random.Random) -> tuple[int, list[Mutant]]:
    """Return how many places of a core can be changed, and what became of the changes that were drawn."""
    files = [file for path in core.paths for file in _modules(copy / path)]
    sessions = {file: _listed(core, file, copy) for file in files}
    places: dict[tuple[Path, tuple[int, int]], list[str]] = defaultdict(list)
    for file, session in sessions.items():
        lines = file.read_text(encoding="utf-8").splitlines()
        with use_db(session, WorkDB.Mode.open) as known:
            for item in known.work_items:
                change: Any = item.mutations[0]
                line, _ = change.start_pos
                if not (_EXCLUDED.match(change.operator_name) or lines[line - 1].startswith("@dataclass")):
                    places[file, change.start_pos].append(item.job_id)
    drawn = [source.choice(changes) for _, changes in sorted(places.items())]
    kept = set(source.sample(drawn, min(sample or len(drawn), len(drawn))))
    chosen = [session for session in sessions.values() if _skip_others(session, kept)]
    return len(places), [mutant for session in chosen for mutant in _executed(session, copy)]


def _modules(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.glob("*.py") if file.name != "__init__.py")


def _listed(core: Core, file: Path, copy: Path) -> Path:
    """Let Cosmic Ray list the changes of one module; returns its session file."""
    module = file.relative_to(copy).as_posix()
    words = [str(PYTHON), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *core.tests]
    if codes := _RULE.findall(file.read_text(encoding="utf-8")):
        words += ["-k", f"'{' or '.join(codes)}'"]
    config = copy / f"{module.replace('/', '.')}.toml"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = {_TIMEOUT_S}\nexcluded-modules = []\n'
        f'test-command = "{" ".join(words)}"\n[cosmic-ray.distributor]\nname = "local"\n',
        encoding="utf-8",
    )
    _cosmic_ray("init", config, config.with_suffix(".sqlite"), cwd=copy)
    return config.with_suffix(".sqlite")


def _skip_others(session: Path, kept: set[str]) -> bool:
    """Mark what is not in the sample as skipped; tell whether anything is left."""
    skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED, output="not in the sample")
    with use_db(session, WorkDB.Mode.open) as known:
        for item in list(known.pending_work_items):
            if item.job_id not in kept:
                known.set_result(item.job_id, skipped)
        return bool(known.pending_work_items)


def _executed(session: Path, copy: Path) -> Iterator[Mutant]:
    """Run the tests for each change that is left."""
    _cosmic_ray("exec", session.with_suffix(".toml"), session, cwd=copy)
    with use_db(session, WorkDB.Mode.open) as known:
        changes: dict[str, Any] = {item.job_id: item.mutations[0] for item in known.work_items}
        for job, result in known.results:
            if result.worker_outcome != WorkerOutcome.SKIPPED:
                change = changes[job]
                noticed = result.test_outcome != TestOutcome.SURVIVED
                yield Mutant(change.module_path, change.start_pos[0], result.diff or "", noticed)


def _cosmic_ray(verb: str, config: Path, session: Path, *, cwd: Path) -> None:
    # Without bytecode: a change within one second would else be hidden by that of the file before it.
    environ = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(Path.home())}
    command = [str(Path(sys.prefix, "bin", "cosmic-ray")), verb, str(config), str(session)]
    subprocess.run(command, cwd=cwd, env=environ, check=True)


def _report(core: Core, places: int, mutants: Sequence[Mutant]) -> None:
    noticed = sum(mutant.noticed for mutant in mutants)
    share = f"{noticed / len(mutants):.0%}" if mutants else "-"
    print(f"{core.name}\t{places} places\t{len(mutants)} tried\t{noticed} noticed\t{share}", flush=True)  # noqa: T201
    for mutant in mutants:
        if not mutant.noticed:
            changed = [line for line in mutant.diff.splitlines() if re.match(r"[+-](?![+-])", line)]
            print(f"  {mutant.module}:{mutant.line}", *changed, sep="\n    ", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
