"""A verdict: what was checked, what was found, how long it took; for people, as JSON and as JUnit."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.junit import Case, document

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a check found; one that is not ok makes the check fail."""

    text: str
    ok: bool = True


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
        cases = [
            Case(
                self.title,
                check.name,
                "" if check.ok else "failure",
                "" if check.ok else check.detail,
                attributes={"time": f"{check.seconds:.3f}"},
            )
            for check in self.checks
        ]
        return document(self.title, cases)


@dataclass
class Checks:
    """Collects checks while a run goes on; a step that raises StackError is a failed check, and the last one."""

    title: str
    done: list[Check] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[Line]]:
        """Time one check; the block appends what it found. Nothing found proves nothing, so that fails as well."""
        found: list[Line] = []
        started = time.monotonic()
        try:
            yield found
        except StackError as error:
            found.append(Line(error.message + (f" ({error.context})" if error.context else ""), ok=False))
            raise StepFailedError from error
        finally:
            bad = [line for line in found if not line.ok]
            detail = "; ".join(line.text for line in bad or found)
            self.done.append(Check(name, not bad and bool(found), detail, time.monotonic() - started))

    def verdict(self) -> Verdict:
        """Return what was collected."""
        return Verdict(self.title, tuple(self.done))


class StepFailedError(Exception):
    """A check could not be carried out; those after it would say nothing."""
