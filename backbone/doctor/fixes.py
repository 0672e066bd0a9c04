"""Repairs that are safe: nothing is lost by them, and running them twice does no more than once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backbone import durable_file
from backbone.source import env_file, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from backbone.doctor.evidence import Evidence
    from backbone.doctor.finding import Result
    from backbone.stack.settings import Settings

_SECRET_MODE = 0o640


def apply(results: Iterable[Result], evidence: Evidence, settings: Settings) -> list[str]:
    """Carry out the repairs that the findings name; return what was done, in words."""
    names = dict.fromkeys(finding.fix for result in results for finding in result.findings if finding.fix)
    return [FIXES[name](evidence, settings) for name in names]


def comment_stale_keys(evidence: Evidence, settings: Settings) -> str:
    """Put # before the lines of .env that nothing reads."""
    text = reading.read_text(settings.env_file)
    written = env_file.load(settings.env_file, settings.environ).assignments
    gone = {line for key in evidence.stale for line in range(written[key].span.line, written[key].span.end_line + 1)}
    lines = (f"# {line}" if number in gone else line for number, line in enumerate(text.split("\n"), 1))
    durable_file.rewrite(settings.env_file, "\n".join(lines))
    return f"put # before {', '.join(evidence.stale)} in {settings.env_file.name}"


def add_missing_keys(evidence: Evidence, settings: Settings) -> str:
    """Add the variables that .env.example has and .env has not, with their defaults."""
    example = env_file.load(settings.env_example, {})
    spans = {key: one.span for key, one in example.assignments.items() if key not in evidence.env}
    text = reading.read_text(settings.env_file).rstrip("\n")
    lines = [example.text[span.start : span.end] for span in spans.values()]
    durable_file.rewrite(settings.env_file, "\n".join([text, "", "# added by `./invoke doctor --fix`", *lines]) + "\n")
    return f"added {', '.join(spans)} to {settings.env_file.name}"


def close_secrets(evidence: Evidence, settings: Settings) -> str:
    """Take away from secret files what others may do."""
    del settings
    opened = [path for path, mode in evidence.secret_modes.items() if mode & ~_SECRET_MODE]
    for path in opened:
        Path(path).chmod(_SECRET_MODE)
    return f"chmod 0640 {' '.join(opened)}"


FIXES: Mapping[str, Callable[[Evidence, Settings], str]] = {
    "comment-stale-keys": comment_stale_keys,
    "add-missing-keys": add_missing_keys,
    "close-secrets": close_secrets,
}
