"""The task that finds out what is wrong, and says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command
from .stack import COMMAND_CONFIG_HELP, ENGINE_HELP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context

    from backbone.doctor.finding import Result

_GLYPHS = {"ok": "[green]ok[/]", "error": "[bold red]error[/]", "warning": "[yellow]warning[/]", "unknown": "[dim]-[/]"}


@command(
    help={
        "engine": ENGINE_HELP,
        "fix": "carry out the repairs that are safe, then look again",
        "bootstrap": "HOST:PORT[,…] of another cluster: only ask it about itself, change nothing",
        "command_config": COMMAND_CONFIG_HELP,
        "all": "show the checks that found nothing, too",
        "json": "print every check with its findings as JSON",
    }
)
def doctor(
    _c: Context,
    engine: str | None = None,
    fix: bool = False,
    bootstrap: str = "",
    command_config: str = "",
    all: bool = False,
    json: bool = False,
) -> ExitCode:
    """Put every check to machine, configuration, data, cluster and services; exits 1 if one finds an error."""
    from backbone import console
    from backbone.doctor import checks, fixes
    from backbone.doctor.gather import elsewhere, gather

    from . import targets

    if theirs := targets.remote(bootstrap, command_config):
        if fix:
            raise StackError(
                "usage",
                "nothing is repaired on another cluster",
                hint=f"./invoke doctor --bootstrap {','.join(theirs)}",
                exit_code=ExitCode.USAGE,
            )
        found = checks.diagnose(elsewhere(theirs), checks.ELSEWHERE)
        return _tell("", found, everything=all, json=json)
    stack = targets.everything(engine)
    evidence = gather(stack)
    results = checks.diagnose(evidence)
    if fix and (done := fixes.apply(results, evidence, stack.settings)):
        for words in done:
            console.say(f"fixed: {words}")
        results = checks.diagnose(gather(targets.everything(engine)))
    return _tell(stack.engine.name, results, everything=all, json=json)


def _tell(engine: str, results: Sequence[Result], *, everything: bool, json: bool) -> ExitCode:
    from backbone import console

    if json:
        console.print_json({"engine": engine, "checks": [result.as_dict() for result in results]})
    else:
        _print(results, everything=everything)
    return ExitCode.FINDINGS if any(result.status == "error" for result in results) else ExitCode.OK


def _print(results: Sequence[Result], *, everything: bool) -> None:
    from rich.markup import escape

    from backbone import console

    for result in results:
        if result.status == "ok" and not everything:
            continue
        if result.status == "unknown" and not everything:
            continue
        console.say(f"{result.check.name} {_GLYPHS[result.status]}  {escape(result.check.title)}")
        if result.reason:
            console.say(f"     [dim]{escape(result.reason)}[/]")
        for finding in result.findings:
            console.say(f"     seen:   {escape(finding.evidence)}")
            console.say(f"     cause:  {escape(finding.cause)}")
            console.print_hint(finding.remedy, "     remedy: ", "     note:   ")
    counted = {status: sum(result.status == status for result in results) for status in _GLYPHS}
    console.say(
        f"{len(results)} checks: {counted['ok']} ok, {counted['error']} errors, {counted['warning']} warnings, "
        f"{counted['unknown']} skipped (--all says why)"
    )
