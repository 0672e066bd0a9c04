"""The pages of docs/ made from code and data: the rules, the stack's picture, the figures, what proves what."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from backbone import console
from backbone.errors import ExitCode, StackError
from backbone.lint import engine
from backbone.lint.output import manual
from backbone.stack import diagram
from backbone.stack.settings import Settings
from scripts.maintain import client_matrix, kept_figures, kept_stalls, program, traceability, trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def made(settings: Settings) -> dict[Path, str]:
    """Return the pages of a checkout as they should be: path → text.

    Raises StackError("requirements-unproven") when a requirement has no proof or a proof is gone.
    """
    docs, rules = settings.root / "docs", engine.load_rules()
    found = traceability.trace(settings.root, rules)
    if found.problems:
        raise StackError(
            "requirements-unproven",
            f"{len(found.problems)} requirements or proofs are wrong",
            context="\n".join(found.problems),
            hint=f"edit {traceability.DATA_FILE}",
        )
    kept = settings.root / "results" / "kept"
    picture = docs / "architecture.md"
    tables = {
        "upgrade.md": trial.kept_tables(kept, trial.OF_KAFKA),
        "security.md": trial.kept_tables(kept, trial.OF_SECURE),
        "clients.md": client_matrix.kept_table(settings.root),
        kept_figures.PAGE: kept_figures.tables(kept),
        kept_stalls.PAGE: kept_stalls.table(kept),
    }
    return {
        **{
            docs / name: diagram.between_markers((docs / name).read_text(encoding="utf-8"), lines)
            for name, lines in tables.items()
        },
        docs / "rules.md": manual.book(rules.values()),
        picture: diagram.render(picture.read_text(encoding="utf-8"), diagram.with_defaults(settings)),
        settings.root / traceability.PAGE_FILE: traceability.page(found, rules),
    }


def stale(pages: Mapping[Path, str]) -> list[Path]:
    """Return the pages whose file is missing or holds another text."""
    return [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main(argv: Sequence[str]) -> ExitCode:
    """Write the pages that are not up to date; with --check only name them, and fail."""
    parser = argparse.ArgumentParser(prog="nox -s pages --", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is not up to date")
    check = parser.parse_args(argv).check
    settings = Settings()
    pages = made(settings)
    old = stale(pages)
    names = ", ".join(path.relative_to(settings.root).as_posix() for path in old)
    if check and old:
        raise StackError("page-stale", f"not up to date: {names}", hint="nox -s pages")
    for path in old:
        path.write_text(pages[path], encoding="utf-8")
    console.say(f"written: {names}" if old else f"{len(pages)} pages are up to date")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
