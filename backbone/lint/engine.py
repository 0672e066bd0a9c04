"""Runs rules over a project: which ones, how severe, what is ignored, and what happens when one crashes."""

from __future__ import annotations

import importlib
import math
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from backbone.lint.judged import Judged, apart, merged
from backbone.lint.model import RULES, Edit, Finding, Rule, Severity, rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from backbone.lint.project import Project
    from backbone.source.span import Span

FAMILIES = (
    "loading",
    "written_values",
    "requirements",
    "configuration",
    "identity",
    "zookeeper",
    "image_variables",
    "image_facts",
    "quorum",
    "listeners",
    "listener_settings",
    "authorization",
    "authentication",
    "advertised",
    "reachability",
    "published_ports",
    "web_addresses",
    "replication",
    "in_sync_replicas",
    "storage",
    "variables",
    "env_files",
    "health_checks",
    "one_shots",
    "start_and_stop",
    "exposure",
    "credentials",
    "artefacts",
    "redpanda",
    "connectors",
    "topics_as_code",
)
"""The modules that hold rules, in the order of their codes."""

UNUSED_IGNORE = "KC007"


@dataclass(frozen=True, slots=True)
class Ignore:
    """A finding that somebody decided to live with.

    service, path: "" for any; path is relative, a folder or file. file, line: only what begins there. problem: why it
    hides nothing, whatever is found. comment: the whole of it, where it names no other rule.
    """

    code: str
    reason: str
    span: Span
    service: str = ""
    path: str = ""
    file: Path | None = None
    line: int = 0
    problem: str = ""
    comment: Span | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What to run. select, skip: codes or their beginnings ("KC1"); an empty `select` is everything.

    hygiene: whether hygiene is told finding by finding, rather than counted.
    """

    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()
    hygiene: bool = True

    def __contains__(self, code: str) -> bool:
        chosen = not self.select or code.startswith(self.select)
        return chosen and not (self.skip and code.startswith(self.skip))


@dataclass(frozen=True, slots=True)
class Crash:
    """A rule that raised: its code and the last lines of the traceback."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found.

    hygiene: advice that was not asked for. skipped: rules that need the model of a project that Compose refuses.
    late: rules the time did not suffice for.
    """

    findings: tuple[Judged, ...]
    ignored: tuple[Judged, ...] = ()
    hygiene: tuple[Judged, ...] = ()
    skipped: tuple[Rule, ...] = ()
    crashes: tuple[Crash, ...] = ()
    late: tuple[Rule, ...] = ()
    ran: int = 0

    def count(self, severity: Severity) -> int:
        """Return how many findings have exactly this severity."""
        return sum(1 for judged in self.findings if judged.severity == severity)


def joined(results: Sequence[Result], folders: Sequence[Path], top: Path) -> Result:
    """Return the results of several projects as one, paths relative to `top`; what two of them share is told once."""

    def together(part: Callable[[Result], Sequence[Judged]]) -> tuple[Judged, ...]:
        found: dict[str, Judged] = {}
        for folder, result in zip(folders, results, strict=True):
            for judged in apart(part(result)):
                found.setdefault(_key(judged), _from(top, folder, judged))
        return merged(found.values())

    return Result(
        findings=together(lambda result: result.findings),
        ignored=together(lambda result: result.ignored),
        hygiene=together(lambda result: result.hygiene),
        skipped=tuple(dict.fromkeys(rule for result in results for rule in result.skipped)),
        crashes=tuple(crash for result in results for crash in result.crashes),
        late=tuple(dict.fromkeys(rule for result in results for rule in result.late)),
        ran=max(result.ran for result in results),
    )


def _from(top: Path, folder: Path, judged: Judged) -> Judged:
    return replace(judged, path=_shown(folder / judged.path, top))


def load_rules() -> Mapping[str, Rule]:
    """Import every family and return all rules by code, sorted."""
    for family in FAMILIES:
        importlib.import_module(f"backbone.lint.rules.{family}")
    return dict(sorted(RULES.items()))


def run(
    project: Project,
    selection: Selection,
    rules: Mapping[str, Rule] | None = None,
    *,
    deadline: float = math.inf,
    now: Callable[[], float] = time.monotonic,
) -> Result:
    """Judge a project. A rule that raises ends up in `crashes`; the others still speak.

    deadline: by the clock `now`; a rule that is not done then is cut short, and with those after it it is `late`.
    """
    chosen = [each for code, each in (rules or load_rules()).items() if code in selection]
    runnable = [each for each in chosen if project.resolved is not None or not each.needs_model]
    found: dict[str, Judged] = {}
    crashes: list[Crash] = []
    late: list[Rule] = []
    for each in runnable:
        try:
            for finding in each.check(project) if now() < deadline else ():
                judged = _judge(project, each, finding, selection)
                found.setdefault(_key(judged), judged)
                if now() >= deadline:
                    break
        except Exception as error:  # noqa: BLE001 - whatever a rule raises must not silence the others
            crashes.append(Crash(each.code, _last_frames(error)))
        if now() >= deadline:
            late.append(each)
    kept, ignored, used = _ignore(found.values(), selection.ignores)
    everywhere = project.resolved is not None and not project.profiles and not crashes and not late
    kept += _unused(project, selection, used if everywhere else None)
    return Result(
        findings=merged(judged for judged in kept if selection.hygiene or not judged.is_hygiene),
        ignored=merged(ignored),
        hygiene=merged(judged for judged in kept if judged.is_hygiene and not selection.hygiene),
        skipped=tuple(each for each in chosen if each not in runnable),
        crashes=tuple(crashes),
        late=tuple(late),
        ran=len(runnable) - len(late),
    )


@rule(UNUSED_IGNORE, "unused-ignore", Severity.ERROR)
def unused_ignore(project: Project) -> Iterator[Finding]:  # noqa: ARG001 - the engine itself knows the answer
    """Flag an ignore that hides nothing, in a policy or beside the line that it is about.

    `# kafka-lint: ignore KC147 the reason` hides the findings of a rule in its own line, or, on a line of its own, in
    the next one. It needs a reason of 8 characters or more. Whether an ignore is needed is looked at only when every
    profile is linted and Compose accepts the project.

    Why:
        What it excused is gone. Left in place it will hide the next defect of the same kind, with a stale
        reason.

    Fails:
        services:
          cache:
            image: redis:7.4.1
        --- policy.toml
        [[ignore]]
        rule = "KC002"
        reason = "the file was generated"

    Passes:
        services:
          cache:
            image: redis:latest  # kafka-lint: ignore KC506 a throw-away demo
        --- policy.toml
        [rules]
        skip = ["KC4"]
    """
    return iter(())


def _judge(project: Project, each: Rule, finding: Finding, selection: Selection) -> Judged:
    severity = selection.severities.get(each.code) or finding.severity or each.severity
    return Judged(each, finding, severity, _shown(finding.at.path, project.directory))


@lru_cache(maxsize=256)
def _shown(path: Path, folder: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _key(judged: Judged) -> str:
    """Tell findings of one run apart: an anchor shared by three services is one defect at one place."""
    at = judged.finding.at
    evidence = judged.finding.evidence or judged.finding.message
    return f"{judged.rule.code} {at.path}:{at.start}-{at.end} {evidence}"


def _ignore(found: Iterable[Judged], ignores: Sequence[Ignore]) -> tuple[list[Judged], list[Judged], Counter[Ignore]]:
    """Part findings into kept and ignored, and count what each ignore hid."""
    kept: list[Judged] = []
    hidden: list[Judged] = []
    used: Counter[Ignore] = Counter()
    for judged in found:
        by = next((ignore for ignore in ignores if _covers(ignore, judged)), None)
        if by is None:
            kept.append(judged)
        else:
            hidden.append(judged)
            used[by] += 1
    return kept, hidden, used


def _covers(ignore: Ignore, judged: Judged) -> bool:
    at = judged.finding.at
    return (
        ignore.code == judged.rule.code
        and not ignore.problem
        and (ignore.file is None or (ignore.file, ignore.line) == (at.path, at.line))
        and ignore.service in ("", judged.finding.service)
        and (not ignore.path or f"{judged.path}/".startswith(f"{ignore.path.rstrip('/')}/"))
    )


def _unused(project: Project, selection: Selection, used: Counter[Ignore] | None) -> list[Judged]:
    """Return a finding for each ignore that cannot hide anything, or of a selected rule that did not.

    used: how much each hid, None if there may have been more to hide.
    """
    if UNUSED_IGNORE not in selection:
        return []
    return [
        _judge(
            project,
            RULES[UNUSED_IGNORE],
            Finding(
                at=ignore.span,
                message=ignore.problem or f"this ignore of {ignore.code} hides nothing",
                service=ignore.service,
                help="write: # kafka-lint: ignore CODE REASON" if ignore.problem else "take it out",
                evidence=f"{ignore.code} {ignore.service} {ignore.path}",
                label="hides nothing",
                edits=(Edit(ignore.comment, ""),) if ignore.comment and not ignore.problem else (),
            ),
            selection,
        )
        for ignore in selection.ignores
        if ignore.problem or (used is not None and ignore.code in selection and not used[ignore])
    ]


def _last_frames(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-3:]).strip()
