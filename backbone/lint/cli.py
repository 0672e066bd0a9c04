"""The linter's command line: judge a project, list the rules, explain one.

`kafka-compose-lint` needs nothing but this; the tasks `lint`, `explain` and `rules` are made from the same functions,
so that flags, formats and exit codes are the same. A lint is to be quick: what only some runs need is imported there.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from backbone import interpreter, report_file
from backbone.errors import LINTER, PROGRAM, ExitCode, StackError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from backbone.lint.output.excerpt import Line
    from backbone.lint.run import Outcome

OPTIONAL = ("baseline", "write_baseline")
"""Flags whose value may be left out; True stands for it then."""

_FORMATS = ("auto", "text", "json", "sarif", "github", "junit")

HELP: Mapping[str, str] = MappingProxyType(
    {
        "project": "a folder or a Compose file (repeatable); when not given, the nearest project from here upwards",
        "file": "the files of one project in their order, as of docker compose; - is standard input (repeatable)",
        "recursive": "every project below the folders",
        "env_file": "variables to interpolate with, instead of the project's .env (repeatable, the last one counts)",
        "compose_timeout": "seconds that docker-compose may take (8, and 2 for every thousand services)",
        "profile": "judge these profiles together; all of them when not given (repeatable)",
        "format": "|".join(_FORMATS),
        "select": "only these rules: code, beginning of a code, name, or ALL (repeatable)",
        "skip": "not these rules (repeatable)",
        "policy": "a policy file, instead of the project's policy.toml, kafka-lint.toml or pyproject.toml",
        "fix": "show the certain fixes as a diff",
        "write": "with --fix: write them",
        "no_ignores": "show what policies and comments ignore",
        "hygiene": "tell also what has to do with neither Kafka nor loading; a project with a policy has it anyway",
        "baseline": "leave out what this file has, and tell what in it is out of date (kafka-lint-baseline.json)",
        "write_baseline": "keep what is found now in a file, for --baseline (kafka-lint-baseline.json)",
        "fail_on": "info|warning|error: what exits with 1",
        "output": "write the report to a file; the verdict is still printed",
        "rule": "code or name",
        "json": "print JSON; for a lint, the same as --format json",
    }
)
"""What each flag is for, by the name of its parameter."""


def lint(
    *,
    project: list[str] | None = None,
    file: list[str] | None = None,
    recursive: bool = False,
    env_file: list[str] | None = None,
    profile: list[str] | None = None,
    format: str = "auto",
    select: list[str] | None = None,
    skip: list[str] | None = None,
    policy: str = "",
    fix: bool = False,
    write: bool = False,
    no_ignores: bool = False,
    hygiene: bool = False,
    fail_on: str = "warning",
    baseline: str | bool = "",
    write_baseline: str | bool = "",
    output: str = "",
    compose_timeout: str = "",
    json: bool = False,
) -> ExitCode:
    """Judge a Compose project: can it be read, does it keep the schema, will Kafka work."""
    from backbone.lint import run as lint_run
    from backbone.lint.model import Severity

    kind = _choice("format", "json" if json else format, _FORMATS)
    threshold = Severity[_choice("fail-on", fail_on, [each.word for each in Severity]).upper()]
    if project and file:
        raise StackError("two-projects", "a project is given either as a place or by --file", exit_code=ExitCode.USAGE)
    request = lint_run.Request(
        files=tuple(file or ()),
        env_files=tuple(Path(name) for name in env_file or ()),
        profiles=tuple(profile or ()),
        policy=Path(policy) if policy else None,
        select=tuple(select or ()),
        skip=tuple(skip or ()),
        ignores=not no_ignores,
        hygiene=hygiene,
        compose_timeout=_seconds(compose_timeout) if compose_timeout else None,
    )
    outcomes = lint_run.run_all(request, [Path(name) for name in project or ()], recursive=recursive)
    outcome, compared = lint_run.joined(outcomes), ""
    if baseline and not write_baseline:
        outcome, compared = _compared(outcome, baseline, partly=bool(select or skip or profile))
    if write_baseline and outcome.complete:
        return _write_baseline(outcome, write_baseline)
    if fix:
        _fix(outcomes, write=write and "-" not in request.files)
    else:
        _report(outcome, kind, Path(output) if output else None)
    sys.stderr.write(compared)
    return _exit_code(outcome, threshold)


def explain(*, rule: str, json: bool = False) -> None:
    """Say what a rule flags and why, with an example that fails and one that passes."""
    from backbone import console
    from backbone.lint import engine, policy
    from backbone.lint.output import manual

    known = engine.load_rules()
    chosen = [each for each in known.values() if each.code.startswith(tuple(policy.codes([rule], known)))]
    if json:
        console.print_json([manual.as_dict(each) for each in chosen])
    else:
        sys.stdout.write("\n\n\n".join(manual.page(each) for each in chosen) + "\n")


def rules(*, json: bool = False) -> None:
    """List every rule of the linter."""
    from backbone import console
    from backbone.lint import engine
    from backbone.lint.output import manual

    known = engine.load_rules().values()
    if json:
        console.print_json([manual.as_dict(each) for each in known])
    else:
        console.print_table(
            ["code", "name", "severity", "what"],
            [(each.code, each.name, each.severity.word, each.doc.summary) for each in known],
        )


def _compared(outcome: Outcome, given: str | bool, *, partly: bool) -> tuple[Outcome, str]:
    """Return an outcome without what a baseline has, and the sentence about it. partly: some rules did not run."""
    from dataclasses import replace

    from backbone.lint import baseline

    compared = baseline.compare(Path(given if isinstance(given, str) else baseline.NAME), outcome.result)
    words = f"baseline: {compared.known} known"
    if compared.stale and outcome.complete and not partly:
        words += f", {len(compared.stale)} stale ({'; '.join(compared.stale[:3])}): --write-baseline renews it"
    return replace(outcome, result=compared.result), words + "\n"


def _write_baseline(outcome: Outcome, given: str | bool) -> ExitCode:
    from backbone.lint import baseline

    path = Path(given if isinstance(given, str) else baseline.NAME)
    sys.stderr.write(f"baseline: {baseline.write(path, outcome.result)} findings written to {path}\n")
    return ExitCode.OK


def _seconds(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        message = f"--compose-timeout is a number of seconds, not {given!r}"
        raise StackError("bad-number", message, exit_code=ExitCode.USAGE)
    return seconds


def _choice(flag: str, given: str, known: Iterable[str]) -> str:
    if given not in known:
        raise StackError("unknown-choice", f"--{flag} is {'|'.join(known)}, not {given!r}", exit_code=ExitCode.USAGE)
    return given


def _shown(path: Path) -> str:
    """Return a path as a person would open it from here."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _report(outcome: Outcome, kind: str, output: Path | None) -> None:
    from backbone.lint.output import text as text_report

    if kind == "auto":
        kind = "github" if os.environ.get("GITHUB_ACTIONS") == "true" and output is None else "text"
    if kind != "text":
        from backbone.lint.output.formats import FORMATS

        document = FORMATS[kind](outcome.result, outcome.project, _shown, outcome.rules)
        _write(document + "\n" if document else "", output)
    elif output is None and (sys.stdout.isatty() or os.environ.get("FORCE_COLOR")):
        _print_styled(text_report.text(outcome.result, outcome.project, _shown))
    else:
        lines = text_report.text(outcome.result, outcome.project, _shown)
        _write("".join("".join(text for text, _ in line) + "\n" for line in lines), output)
    sys.stdout.flush()
    sys.stderr.write(text_report.verdict(outcome.result, outcome.project) + "\n")
    if outcome.result.hygiene:
        sys.stderr.write(text_report.hygiene(outcome.result.hygiene) + "\n")
    if outcome.stopped:
        sys.stderr.write(f"docker-compose config did not run: {outcome.stopped}\n")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        report_file.write(output, text)


def _print_styled(lines: Iterable[Line]) -> None:
    """Print through rich, which knows the terminal; plain output does without its import."""
    from rich.text import Text

    from backbone.console import data

    for line in lines:
        data.print(Text.assemble(*line))


def _fix(outcomes: Sequence[Outcome], *, write: bool) -> None:
    """Print the certain fixes as a diff, or write them."""
    from backbone.lint.output import fix

    changes: list[fix.Change] = []
    for outcome in outcomes:
        for change in fix.plan(outcome.result, outcome.project):
            if change.path not in {other.path for other in changes}:
                changes.append(change)
                sys.stdout.write(fix.diff(change, _shown(change.path), outcome.mask.quote))
    for change in changes if write else ():
        change.path.write_bytes(change.after.encode())
    sys.stdout.flush()
    done = "written" if write else "to write (--write)"
    sys.stderr.write(f"{sum(change.fixes for change in changes)} fixes in {len(changes)} files {done}\n")


def _exit_code(outcome: Outcome, threshold: int) -> ExitCode:
    """Say 3 when something could not be judged, else 1 for findings at or over the threshold."""
    if not outcome.complete:
        return ExitCode.NOTHING
    worst = max((judged.severity for judged in outcome.result.findings), default=0)
    return ExitCode.FINDINGS if worst >= threshold else ExitCode.OK


def main(argv: Sequence[str] | None = None) -> ExitCode:
    """Run `kafka-compose-lint [explain|rules] …`: the linter alone, without the tasks around it."""
    interpreter.settle()
    gc.disable()  # a process as short as this one leaves no garbage worth looking for
    os.environ.setdefault(PROGRAM, LINTER)
    words = list(sys.argv[1:] if argv is None else argv)
    function: Callable[..., ExitCode | None] = lint
    if words[:1] in (["explain"], ["rules"]):
        function = explain if words.pop(0) == "explain" else rules
    flags = _flags(function, words)
    try:
        return function(**flags) or ExitCode.OK
    except StackError as error:
        from backbone import console

        console.print_error(error)
        if flags["json"]:
            console.print_json({"error": error.as_dict()})
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _flags(function: Callable[..., object], words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a function from a command line; a lint's project, or -, may stand without its flag."""
    parser = _parser(function)
    flags = vars(parser.parse_args(words))
    if flags.pop("version", False):
        from backbone import resources

        parser.exit(message=resources.version() + "\n")
    for path in flags.pop("path", ()):
        name = "file" if path == "-" else "project"
        flags[name] = [*(flags[name] or ()), path]
    return flags


def _parser(function: Callable[..., object]) -> argparse.ArgumentParser:
    """Return a parser for the parameters of a function, and for a lint's path."""
    import argparse

    prog = os.environ[PROGRAM] + ("" if function is lint else f" {function.__name__}")
    parser = argparse.ArgumentParser(prog, description=function.__doc__, allow_abbrev=False)
    if function is lint:
        parser.epilog = f"also: {prog} explain RULE, {prog} rules"
        parser.add_argument("-V", "--version", action="store_true", help="print the version")
        parser.add_argument("path", nargs="*", default=(), help="the same as --project PATH; - as --file -")
    for name, parameter in inspect.signature(function).parameters.items():
        flag = "--" + name.replace("_", "-")
        if parameter.default is parameter.empty:
            parser.add_argument(name, help=HELP[name])
        elif parameter.default is False:
            parser.add_argument(flag, action="store_true", help=HELP[name])
        elif parameter.default is None:
            short = ["-f"] if name == "file" else []
            parser.add_argument(*short, flag, action="append", metavar="WORD", help=HELP[name])
        else:
            bare: dict[str, Any] = {"nargs": "?", "const": True} if name in OPTIONAL else {}
            parser.add_argument(flag, default=parameter.default, metavar="WORD", help=HELP[name], **bare)
    return parser
