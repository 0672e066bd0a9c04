"""A verdict: what was checked, what was found, how long it took; for people, as JSON and as JUnit."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production [2]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was proven or not. seconds: how long it took."""

    name: str
    ok: bool
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The checks of one run, in order."""

    title: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True when something was checked and all of it holds."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def exit_code(self) -> ExitCode:
        """What the task returns."""
        return ExitCode.OK if self.ok else ExitCode.FINDINGS

    def lines(self) -> list[str]:
        """Return what a person reads: the verdict first, then each check."""
        failed = sum(not check.ok for check in self.checks)
        seconds = sum(check.seconds for check in self.checks)
        held = f"{len(self.checks) - failed} of {len(self.checks)} checks, {seconds:.1f} s"
        head = f"{self.title}: {'PASS' if self.ok else 'FAIL'} ({held})"
        return [head, *(f"  {'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}" for check in self.checks)]

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        checks = [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "seconds": round(check.seconds, 3)}
            for check in self.checks
        ]
        return {"title": self.title, "ok": self.ok, "checks": checks}

    def junit(self) -> str:
        """Return the JUnit XML form, a test case a check."""
        suite = ET.Element(
            "testsuite",
            name=self.title,
            tests=str(len(self.checks)),
            failures=str(sum(not check.ok for check in self.checks)),
        )
        for check in self.checks:
            case = ET.SubElement(suite, "testcase", name=check.name, classname=self.title, time=f"{check.seconds:.3f}")
            if not check.ok:
                ET.SubElement(case, "failure", message=_NOT_XML.sub("\ufffd", check.detail))
        text: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
        return text.decode()


@dataclass
class Checks:
    """Collects checks while a run goes on; a step that raises StackError is a failed check, and the last one."""

    title: str
    done: list[Check] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time one check; the block appends what it found, and every line that begins with "!" is a failure."""
        found: list[str] = []
        started = time.monotonic()
        try:
            yield found
        except StackError as error:
            found.append(f"!{error.message}" + (f" ({error.context})" if error.context else ""))
            raise StepFailedError from error
        finally:
            bad = [line[1:] for line in found if line.startswith("!")]
            detail = "; ".join(bad or found)
            self.done.append(Check(name, not bad and bool(found), detail, time.monotonic() - started))

    def verdict(self) -> Verdict:
        """Return what was collected."""
        return Verdict(self.title, tuple(self.done))


class StepFailedError(Exception):
    """A check could not be carried out; those after it would say nothing."""
