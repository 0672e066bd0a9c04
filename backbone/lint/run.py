"""Linting as a user asks for it: find the project, have Compose resolve it, judge it.

The rules run no process; this module hands them what `docker-compose config` says. Compose works while Python
imports the rules, because together they are most of the time a lint takes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.source import env_file, reading
from backbone.source.env_file import EnvFile, Scope
from backbone.source.source_map import SourceMap
from backbone.stack import compose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.lint.engine import Result
    from backbone.lint.masking import Mask
    from backbone.lint.model import Rule
    from backbone.lint.project import Project

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""What Compose looks for in a folder, in its order."""

CONFIG_TIMEOUT_S = 6.0
BUDGET_S = 8.0
"""How long a lint may take: past it the rules not yet done are left out, and the report says which."""

RULES_S = 1.0
"""What the rules get even when reading and Compose took all of it, so that what cannot be read is still said."""

NO_FILE = Path(os.devnull)
"""Keeps Compose from opening a .env that is none."""

# In case that Compose sees a remote file where we see none: it then refuses it.
NOTHING_FETCHED = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}
_WHY_NO_MODEL = frozenset({"KC001", "KC002", "KC003", "KC004", "KC008", "KC009"})
_DECIDED_HERE = frozenset({"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"})


@dataclass(frozen=True, slots=True)
class Request:
    """What to lint and how.

    project: a folder or a file, None for the project of the folder where the user stands. policy: None for the
    project's own policy.toml, if any.
    """

    project: Path | None
    env_file: Path | None = None
    profiles: tuple[str, ...] = ()
    policy: Path | None = None
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    ignores: bool = True
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A linted project. stopped: why Compose could not say anything at all, "" when it did."""

    project: Project
    result: Result
    rules: Mapping[str, Rule]
    mask: Mask
    stopped: str = ""

    @property
    def complete(self) -> bool:
        """Say whether every stage and every rule could do its work; a refusal by Compose is a finding, not a gap."""
        return not (self.stopped or self.result.crashes or self.result.late)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a lint reads: the project's files and the variables around them."""

    files: list[Path]
    environ: Mapping[str, str]
    env: EnvFile
    sources: SourceMap

    @property
    def directory(self) -> Path:
        return self.files[0].parent


@dataclass(slots=True)
class _Resolution:
    """What Compose said: the model, or its refusal, or why it could not be asked."""

    model: Mapping[str, Any] | None = None
    refusal: str = ""
    warnings: int = 0
    stopped: str = ""


def run(request: Request) -> Outcome:
    """Lint a project. Raises StackError: nothing to lint, or a wrong flag, variable file or policy."""
    began = time.monotonic()
    inputs = _read(request)
    resolution = _Resolution()
    asking = threading.Thread(target=_resolve, args=(resolution, inputs, request.profiles), daemon=True)
    if _may_be_asked(inputs.sources):
        asking.start()
    from backbone.lint import engine, masking, policy  # noqa: PLC0415 - imported while Compose works
    from backbone.lint.project import Project  # noqa: PLC0415

    rules = engine.load_rules()
    path = request.policy or inputs.directory / "policy.toml"
    governed = bool(request.policy) or path.exists()
    held = policy.load(path, rules) if governed else policy.Policy()
    selection = policy.chosen(held.selection, request.select, request.skip, rules, ignores=request.ignores)
    example = inputs.directory / ".env.example"
    if asking.ident:
        asking.join()
    project = Project(
        directory=inputs.directory,
        sources=inputs.sources,
        resolved=resolution.model,
        refusal=resolution.refusal,
        warnings=resolution.warnings,
        env=inputs.env if inputs.env.path.exists() else None,
        example=env_file.load(example, {}) if example.exists() else None,
        require=held.require,
        profiles=request.profiles,
        foreign=not governed,
    )
    deadline = max(began + BUDGET_S, time.monotonic() + RULES_S)
    result = engine.run(project, selection, rules, deadline=deadline)
    stopped = resolution.stopped
    if project.resolved is None and not any(judged.rule.code in _WHY_NO_MODEL for judged in result.findings):
        stopped = stopped or f"it has no model to judge, and {', '.join(sorted(_WHY_NO_MODEL))} may not say why"
    mask = masking.Mask(project, rules, [inputs.directory, *(file.parent for file in inputs.files)])
    return Outcome(replace(project, quoted=mask.text), mask.result(result), rules, mask, stopped)


def _read(request: Request) -> _Inputs:
    """Find and read the project's files."""
    files = locate(request.project or nearest(Path.cwd(), request.environ), request.environ)
    directory = files[0].parent
    env_path = request.env_file.resolve() if request.env_file else directory / ".env"
    if request.env_file and (reason := reading.why_unreadable(env_path)):
        raise StackError("no-env-file", f"cannot read {request.env_file}", reason, exit_code=ExitCode.USAGE)
    environ = {name: value for name, value in request.environ.items() if name not in _DECIDED_HERE}
    env = env_file.load(env_path, environ)
    sources = SourceMap.read(files, Scope(directory, environ, (env,)))
    if not any(file.root or file.problem for file in sources.files):
        raise StackError("nothing-to-lint", f"{files[0]} is empty", exit_code=ExitCode.NOTHING)
    return _Inputs(files, environ, env, sources)


def nearest(start: Path, environ: Mapping[str, str]) -> Path:
    """Return the folder whose project Compose would take when called in `start`: this one, else the next above.

    Raises StackError("nothing-to-lint") if no folder up to the root has a Compose file.
    """
    for folder in (start, *start.parents):
        env = env_file.load(folder / ".env", environ)
        if Scope(folder, environ, (env,)).lookup("COMPOSE_FILE") or any((folder / name).is_file() for name in NAMES):
            return folder
    raise StackError(
        "nothing-to-lint",
        f"neither {start} nor a folder above it has a Compose file",
        context="looked for " + ", ".join(NAMES),
        hint="./invoke lint --project FOLDER",
        exit_code=ExitCode.NOTHING,
    )


def _may_be_asked(sources: SourceMap) -> bool:
    """Say whether all that Compose will open are files, on this machine (else KC001, KC008 or KC009 speaks)."""
    return all(file.problem is None for file in sources.files) and all(
        reference.path is not None and not reference.problem for reference in sources.references
    )


def locate(given: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the project's files, the main one first, then its overrides, as Compose would pick them.

    Raises StackError: "no-such-path" (exit code USAGE), "nothing-to-lint" (exit code NOTHING).
    """
    path = given.resolve()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise StackError("no-such-path", f"there is no file or folder {given}", exit_code=ExitCode.USAGE)
    env = env_file.load(path / ".env", environ)
    if named := Scope(path, environ, (env,)).lookup("COMPOSE_FILE"):
        files = [(path / name).resolve() for name in named.split(os.pathsep) if name]
        if missing := [str(file) for file in files if not file.is_file()]:
            raise StackError(
                "no-such-path",
                f"COMPOSE_FILE names {len(missing)} of {len(files)} files that do not exist",
                exit_code=ExitCode.USAGE,
            )
        return files
    for name in NAMES:
        main = path / name
        if main.is_file():
            stem = main.name.partition(".")[0]
            overrides = (path / f"{stem}.override.{suffix}" for suffix in ("yml", "yaml"))
            return [main, *[file for file in overrides if file.is_file()][:1]]
    odd = [f"{name}: {reading.why_unreadable(path / name)}" for name in NAMES if (path / name).exists()]
    raise StackError(
        "nothing-to-lint",
        f"{given} has no Compose file" + (f"; {odd[0]}" if odd else ""),
        context="looked for " + ", ".join(NAMES),
        exit_code=ExitCode.NOTHING,
    )


def _resolve(into: _Resolution, inputs: _Inputs, profiles: tuple[str, ...]) -> None:
    """Ask Compose, in a thread of its own; whatever comes back is written into `into`."""
    try:
        done = compose.config(
            inputs.files[0],
            overrides=inputs.files[1:],
            profiles=profiles or ["*"],
            env_file=NO_FILE if inputs.env.problem else inputs.env.path if inputs.env.path.is_file() else None,
            environ={**inputs.environ, **NOTHING_FETCHED},
            options=["--format", "json"],
            timeout=CONFIG_TIMEOUT_S,
        )
        if done.returncode:
            into.refusal, into.warnings = compose.reason(done.stderr)
            into.refusal = into.refusal or f"docker-compose config ended with {done.returncode}"
        else:
            into.model = json.loads(done.stdout)
    except StackError as error:
        into.stopped = error.message
    except (ValueError, OSError) as error:
        into.stopped = f"docker-compose config: {error}"
