"""A verdict: what was checked, what was found, how long it took; for people, as JSON and as JUnit.

It speaks only of what was seen. What could not be looked at for long enough, because a request failed or the time was
over, is not judged: then the verdict is unknown, with that reason first, and neither a pass nor an accusation.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError, as_typed
from backbone.junit import Case, document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Literal


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a check found. ok: False makes the check fail, None is a doubt: it could not be judged."""

    text: str
    ok: bool | None = True


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was proven (ok), refuted (False) or not judged (None). seconds: how long it took."""

    name: str
    ok: bool | None
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The checks of one run, in order."""

    title: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool | None:
        """True when something was checked and all of it holds, False when a check failed, None if neither is proved."""
        return _together(check.ok for check in self.checks)

    @property
    def exit_code(self) -> ExitCode:
        """What the task returns."""
        return {True: ExitCode.OK, False: ExitCode.FINDINGS, None: ExitCode.NOTHING}[self.ok]

    def lines(self) -> list[str]:
        """Return what a person reads: the verdict first, an unknown one with its reason, then each check."""
        held = sum(check.ok is True for check in self.checks)
        seconds = sum(check.seconds for check in self.checks)
        head = f"{self.title}: {_HEADS[self.ok]} ({held} of {len(self.checks)} checks, {seconds:.1f} s)"
        doubts = [f"  because {check.name}: {check.detail}" for check in self.checks if check.ok is None]
        reason = doubts[:1] if self.ok is None else []
        return [head, *reason, *(f"  {_MARKS[each.ok]} {each.name}: {each.detail}" for each in self.checks)]

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        checks = [
            {"name": check.name, "ok": check.ok, "detail": check.detail, "seconds": round(check.seconds, 3)}
            for check in self.checks
        ]
        return {"title": self.title, "ok": self.ok, "checks": checks}

    def junit(self) -> str:
        """Return the JUnit XML form, a test case a check; one that was not judged is an error, not a failure."""
        cases = [
            Case(
                self.title,
                check.name,
                _OUTCOMES[check.ok],
                "" if check.ok else check.detail,
                attributes={"time": f"{check.seconds:.3f}"},
            )
            for check in self.checks
        ]
        return document(self.title, cases)


_HEADS = {True: "PASS", False: "FAIL", None: "UNKNOWN"}
_MARKS = {True: "ok  ", False: "FAIL", None: "?   "}
_OUTCOMES: dict[bool | None, Literal["", "failure", "error"]] = {True: "", False: "failure", None: "error"}


def _together(parts: Iterable[bool | None]) -> bool | None:
    """Return False if a part is, else None if one is or there is none, else True."""
    seen = list(parts)
    if False in seen:
        return False
    return None if None in seen or not seen else True


@dataclass
class Checks:
    """Collects checks while a run goes on; a step that raises StackError is the last one."""

    title: str
    done: list[Check] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, *, refuted_by: Collection[str] = ()) -> Iterator[list[Line]]:
        """Time one check; the block appends what it found. Nothing found proves nothing.

        A StackError means that the check could not be made, not that what it asks for is untrue. refuted_by: the
        references of those that do answer it, with no.
        """
        found: list[Line] = []
        started = time.monotonic()
        try:
            yield found
        except StackError as error:
            found.append(Line(_told(error), ok=False if error.reference in refuted_by else None))
            raise StepFailedError from error
        finally:
            ok = _together(line.ok for line in found)
            detail = "; ".join(line.text for line in found if line.ok is ok)
            self.done.append(Check(name, ok, detail or "it was not looked at", time.monotonic() - started))

    def verdict(self) -> Verdict:
        """Return what was collected."""
        return Verdict(self.title, tuple(self.done))


def _told(error: StackError) -> str:
    context = f" ({error.context})" if error.context else ""
    remedy = f"; try: {as_typed(error.hint).splitlines()[0]}" if error.hint else ""
    return error.message + context + remedy


class StepFailedError(Exception):
    """A check could not be carried out; those after it would say nothing."""
