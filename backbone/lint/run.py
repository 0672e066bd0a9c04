"""Linting as a user asks for it: find the project, have Compose resolve it, judge it.

The rules run no process; this module hands them what `docker-compose config` says. Compose works while Python
imports the rules, because together they are most of the time a lint takes.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from backbone.errors import ExitCode, StackError
from backbone.lint import discovery, stand_ins
from backbone.source import env_file, reading
from backbone.source.compose_file import entries
from backbone.source.env_file import EnvFile, Scope
from backbone.source.source_map import SourceMap
from backbone.stack import compose

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from backbone.lint.engine import Result
    from backbone.lint.masking import Mask
    from backbone.lint.model import Rule
    from backbone.lint.project import Project

_TIMEOUT_S = 8.0
_TIMEOUT_S_PER_SERVICE = 0.002

RULES_S = 5.0
"""What reading and the rules get besides: rules not yet done are left out then, and the report says which."""


NO_FILE = Path(os.devnull)
"""Keeps Compose from opening a .env that is none."""

# In case that Compose sees a remote file where we see none: it then refuses it.
NOTHING_FETCHED = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}
_WHY_NO_MODEL = frozenset({"KC001", "KC002", "KC003", "KC004", "KC008", "KC009"})
_DECIDED_HERE = frozenset({"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"})


@dataclass(frozen=True, slots=True)
class Request:
    """What to lint and how.

    project: a folder or a file, None for the project of the folder where the user stands. files: instead of it, in
    order as `docker compose --file`; "-" is `stdin`. env_files: the last one that sets a variable counts. policy: None
    for the project's own, if any. hygiene: whether that of a project
    without a policy is told as well. compose_timeout: in seconds, None for one that fits the number of services.
    """

    project: Path | None = None
    files: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    profiles: tuple[str, ...] = ()
    policy: Path | None = None
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    ignores: bool = True
    hygiene: bool = True
    compose_timeout: float | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stdin: BinaryIO | None = None


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
    env_files: tuple[EnvFile, ...]
    sources: SourceMap
    stdin: str | None

    @property
    def directory(self) -> Path:
        return self.files[0].parent

    @property
    def scope(self) -> Scope:
        return Scope(self.directory, self.environ, self.env_files)


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
    asking = threading.Thread(target=_resolve, args=(resolution, inputs, request), daemon=True)
    if _may_be_asked(inputs.sources):
        asking.start()
    from backbone.lint import engine, inline, masking, policy  # noqa: PLC0415 - imported while Compose works
    from backbone.lint.project import Project  # noqa: PLC0415

    rules = engine.load_rules()
    path = request.policy or policy.find(inputs.directory)
    held = policy.load(path, rules) if path else policy.Policy()
    selection = policy.chosen(held.selection, request.select, request.skip, rules, ignores=request.ignores)
    if not (held.hygiene or request.hygiene or selection.select):
        selection = replace(selection, hygiene=False)
    example = inputs.directory / ".env.example"
    if asking.ident:
        asking.join()
    project = Project(
        directory=inputs.directory,
        sources=inputs.sources,
        resolved=resolution.model,
        refusal=resolution.refusal,
        warnings=resolution.warnings,
        env=_joined(inputs.env_files),
        example=env_file.load(example, {}) if example.exists() else None,
        require=held.require,
        profiles=request.profiles,
        foreign=path is None,
    )
    if request.ignores:
        selection = replace(selection, ignores=(*selection.ignores, *inline.ignores(project, rules)))
    deadline = max(began + (request.compose_timeout or compose_timeout(inputs.sources)), time.monotonic()) + RULES_S
    result = engine.run(project, selection, rules, deadline=deadline)
    stopped = resolution.stopped
    if project.resolved is None and not any(judged.rule.code in _WHY_NO_MODEL for judged in result.findings):
        stopped = stopped or f"it has no model to judge, and {', '.join(sorted(_WHY_NO_MODEL))} may not say why"
    mask = masking.Mask(project, rules, [inputs.directory, *(file.parent for file in inputs.files)])
    return Outcome(replace(project, quoted=mask.text), mask.result(result), rules, mask, stopped)


def run_all(request: Request, places: Sequence[Path], *, recursive: bool = False) -> list[Outcome]:
    """Lint the projects at some places, each once; without a place, the request's own files or the nearest project.

    A folder without a Compose file of its own stands for every project below it, with `recursive` any folder does.
    A project below a folder that cannot be linted does not keep the others from it. Raises StackError as `run` does.
    """
    if not places:
        return [run(request)]
    outcomes = []
    for place in dict.fromkeys(place.resolve() for place in places):
        if place.is_dir() and (recursive or not discovery.has_project(place, request.environ)):
            projects = discovery.below(place)
            if not projects:
                discovery.locate(place, request.environ)  # says where it looked
            outcomes += [_run_one_of_many(replace(request, project=project)) for project in projects]
        else:
            outcomes.append(run(replace(request, project=place)))
    return outcomes


def _run_one_of_many(request: Request) -> Outcome:
    try:
        return run(request)
    except StackError as error:
        from backbone.lint import engine, masking  # noqa: PLC0415 - as in run
        from backbone.lint.project import Project  # noqa: PLC0415

        place = request.project or Path.cwd()
        project = Project(place if place.is_dir() else place.parent, SourceMap([], {}), None)
        rules, why = engine.load_rules(), f"{error.message} {error.context or ''}".strip()
        return Outcome(project, engine.Result(()), rules, masking.Mask(project, rules, ()), why)


def compose_timeout(sources: SourceMap) -> float:
    """Return how many seconds Compose may take for so many services, unless --compose-timeout says otherwise."""
    services = [entries(file.root).get("services") for file in sources.files]
    return _TIMEOUT_S + _TIMEOUT_S_PER_SERVICE * sum(len(entries(pair[1])) for pair in services if pair)


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Return several outcomes as one; what two projects share is told once."""
    if len(outcomes) == 1:
        return outcomes[0]
    from backbone.lint import engine  # noqa: PLC0415 - as in run

    first, folders = outcomes[0], [outcome.project.directory for outcome in outcomes]
    top = Path(os.path.commonpath(folders))
    projects = [outcome.project for outcome in outcomes]
    services = {f"{each.directory}/{name}": one.body for each in projects for name, one in each.services.items()}
    project = replace(
        first.project,
        directory=top,
        sources=SourceMap.joined([project.sources for project in projects]),
        resolved=None if any(project.resolved is None for project in projects) else {"services": services},
        quoted=lambda path: next((text for each in projects if (text := each.quoted(path))), ""),
    )
    result = engine.joined([outcome.result for outcome in outcomes], folders, top)
    stopped = [f"{outcome.project.directory}: {outcome.stopped}" for outcome in outcomes if outcome.stopped]
    return Outcome(project, result, first.rules, first.mask, "; ".join(stopped))


def _read(request: Request) -> _Inputs:
    """Find and read the project's files."""
    environ = {name: value for name, value in request.environ.items() if name not in _DECIDED_HERE}
    place = request.project or (None if request.files else discovery.nearest(Path.cwd(), request.environ))
    files = discovery.locate(place, request.environ) if place else discovery.given(request.files)
    directory = files[0].parent
    stdin = _standard_input(request) if discovery.STDIN in request.files else None
    named = request.env_files or _env_files_of(request.environ)
    env_files = tuple(_given_env_file(path, environ) for path in reversed(named)) or (
        env_file.load(directory / ".env", environ),
    )
    texts = {} if stdin is None else {Path.cwd() / discovery.STDIN: stdin}
    sources = SourceMap.read(files, Scope(directory, environ, env_files), texts)
    if not any(file.root or file.problem for file in sources.files):
        raise StackError("nothing-to-lint", f"{files[0]} is empty", exit_code=ExitCode.NOTHING)
    return _Inputs(files, environ, env_files, sources, stdin)


def _env_files_of(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return what stands in COMPOSE_ENV_FILES, which is for --env-file what COMPOSE_FILE is for --file."""
    return tuple(Path(name) for name in environ.get("COMPOSE_ENV_FILES", "").split(",") if name)


def _given_env_file(path: Path, environ: Mapping[str, str]) -> EnvFile:
    if reason := reading.why_unreadable(path):
        raise StackError("no-env-file", f"cannot read {path}", reason, exit_code=ExitCode.USAGE)
    return env_file.load(path.resolve(), environ)


def _standard_input(request: Request) -> str:
    """Return the text on standard input; only so much is read as a file may hold."""
    raw = (request.stdin or sys.stdin.buffer).read(reading.MAX_BYTES + 1)
    try:
        if len(raw) <= reading.MAX_BYTES:
            return raw.decode("utf-8")
        reason = f"larger than {reading.MAX_BYTES // 1024**2} MiB"
    except UnicodeDecodeError:
        reason = "no UTF-8"
    raise StackError("unreadable-file", f"standard input is {reason}", exit_code=ExitCode.USAGE)


def _joined(files: Sequence[EnvFile]) -> EnvFile | None:
    """Return env files, the strongest first, as the one that they come to, None if there is none."""
    strongest = files[0]
    if len(files) == 1:
        return strongest if strongest.path.exists() else None
    assignments = {name: each for file in reversed(files) for name, each in file.assignments.items()}
    return replace(strongest, assignments=assignments)


def _may_be_asked(sources: SourceMap) -> bool:
    """Say whether all that Compose will open are files, on this machine (else KC001, KC008 or KC009 speaks)."""
    return all(file.problem is None for file in sources.files) and all(
        reference.path is not None and not reference.problem for reference in sources.references
    )


def _resolve(into: _Resolution, inputs: _Inputs, request: Request) -> None:
    """Ask Compose, in a thread of its own; whatever comes back is written into `into`.

    A project that Compose refuses may only lack a variable: it is asked again with the values of .env.example, and
    words in the place of what is set nowhere, so that the rest can be judged.
    """
    try:
        done = _ask(inputs, request, {})
        if done.returncode:
            into.refusal, into.warnings = compose.reason(done.stderr)
            into.refusal = into.refusal or f"docker-compose config ended with {done.returncode}"
            if instead := stand_ins.instead_of_unset(inputs.sources, inputs.scope):
                done = _ask(inputs, request, instead)
        if not done.returncode:
            into.model = json.loads(stand_ins.removed(done.stdout))
    except StackError as error:
        into.stopped = f"{error.message}; --compose-timeout gives it longer" if _is_late(error) else error.message
    except (ValueError, OSError) as error:
        into.stopped = f"docker-compose config: {type(error).__name__}"


def _is_late(error: StackError) -> bool:
    return error.exit_code == ExitCode.TIMEOUT


def _ask(inputs: _Inputs, request: Request, instead: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Compose over the project, with values for variables that are not set."""
    env_files = [file.path for file in reversed(inputs.env_files) if not file.problem and file.path.is_file()]
    return compose.config(
        inputs.files[0],
        overrides=inputs.files[1:],
        profiles=request.profiles or ["*"],
        env_files=[NO_FILE] if any(file.problem for file in inputs.env_files) else env_files,
        environ={**_memory_for_time(inputs), **instead, **inputs.environ, **NOTHING_FETCHED},
        options=["--format", "json"],
        timeout=request.compose_timeout or compose_timeout(inputs.sources),
        stdin=inputs.stdin,
    )


def _memory_for_time(inputs: _Inputs) -> dict[str, str]:
    """Return what has Compose, a Go program, collect garbage less often; nothing where the project asks for it."""
    return {} if any(one.name == "GOGC" for one in inputs.sources.interpolations) else {"GOGC": "400"}
