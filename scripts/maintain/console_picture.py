"""The README's picture of the console: its first page over a real stack, in Debian's chromium."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from backbone import console
from backbone.errors import ExitCode, StackError
from backbone.stack.settings import Settings
from scripts.maintain import console_costs, processes, program

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path("docs", "images", "console.png")
MOST_BYTES = 150_000
_LIMIT_S = 600.0
_PLACE = "messaging-backbone"
_ENVIRON = {"STACK_ENGINE": "embedded", "COMPOSE_PROFILES": "messaging,data"}


def taken(url: str) -> bytes:
    """Return a picture (PNG) of the page at an address, as it is once it has come.

    Raises StackError("no-chromium").
    """
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not browser:
        hint = "apt-get install chromium\nor name another one by CHROMIUM"
        raise StackError("no-chromium", "there is no chromium", hint=hint, exit_code=ExitCode.ENVIRONMENT)
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1100, "height": 880}, color_scheme="light")
        page.goto(url)
        page.get_by_role("table").first.wait_for()
        # Where this checkout lies is nobody's business; the words of the page stay as they are else.
        page.evaluate("name => document.querySelector('.brand').textContent = name", _PLACE)
        picture = page.screenshot()
        opened.close()
    return picture


def main(argv: Sequence[str]) -> ExitCode:
    """Start the stack without Docker, send some events, and write docs/images/console.png."""
    argparse.ArgumentParser(prog="nox -s console-picture", description=main.__doc__).parse_args(argv)
    try:
        processes.task("up", timeout=_LIMIT_S, environ=_ENVIRON)
        processes.task("archive", "--events", "1000", "--no-restart", timeout=_LIMIT_S, environ=_ENVIRON)
        with console_costs.served(_ENVIRON) as (_, url):
            picture = taken(url)
    finally:
        processes.task("down", timeout=_LIMIT_S, environ=_ENVIRON)
    if len(picture) > MOST_BYTES:
        raise StackError("picture-too-large", f"the picture has {len(picture):,} bytes, more than {MOST_BYTES:,}")
    (Settings().root / FILE).write_bytes(picture)
    console.say(f"written: {FILE}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
