from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from backbone.errors import ExitCode, StackError
from backbone.verdict import Check, Checks, Line, StepFailedError, Verdict

GOOD = Check("sent", ok=True, detail="300 records", seconds=0.25)
DOUBT = Check("read back", ok=None, detail="not reached in 30 s", seconds=2.0)
BAD = Check("read", ok=False, detail='1 lost: 0@7 <"&>', seconds=1.0)


def test_a_verdict_needs_every_check_and_at_least_one() -> None:
    assert Verdict("smoke", (GOOD,)).exit_code is ExitCode.OK
    assert Verdict("smoke", (GOOD, BAD)).exit_code is ExitCode.FINDINGS
    assert Verdict("smoke", ()).exit_code is ExitCode.NOTHING


def test_a_check_that_was_not_judged_is_neither_a_pass_nor_an_accusation() -> None:
    assert Verdict("smoke", (GOOD, DOUBT)).exit_code is ExitCode.NOTHING
    assert Verdict("smoke", (GOOD, DOUBT, BAD)).exit_code is ExitCode.FINDINGS
    assert Verdict("smoke", (GOOD, DOUBT)).lines() == [
        "smoke: UNKNOWN (1 of 2 checks, 2.2 s)",
        "  because read back: not reached in 30 s",
        "  ok   sent: 300 records",
        "  ?    read back: not reached in 30 s",
    ]
    suite = ET.fromstring(Verdict("smoke", (GOOD, DOUBT)).junit())  # noqa: S314 - our own output
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")


def test_lines_say_the_verdict_first() -> None:
    assert Verdict("smoke", (GOOD, BAD)).lines() == [
        "smoke: FAIL (1 of 2 checks, 1.2 s)",
        "  ok   sent: 300 records",
        '  FAIL read: 1 lost: 0@7 <"&>',
    ]
    assert Verdict("smoke", (GOOD,)).lines()[0] == "smoke: PASS (1 of 1 checks, 0.2 s)"


def test_json_has_every_check() -> None:
    assert Verdict("smoke", (GOOD, BAD)).as_dict() == {
        "title": "smoke",
        "ok": False,
        "checks": [
            {"name": "sent", "ok": True, "detail": "300 records", "seconds": 0.25},
            {"name": "read", "ok": False, "detail": '1 lost: 0@7 <"&>', "seconds": 1.0},
        ],
    }


def test_junit_is_what_a_ci_server_reads() -> None:
    suite = ET.fromstring(Verdict("smoke", (GOOD, BAD)).junit())  # noqa: S314 - our own output
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "2", "1")
    cases = {case.get("name"): case.find("failure") for case in suite.iter("testcase")}
    assert cases["sent"] is None
    failure = cases["read"]
    assert failure is not None
    assert failure.get("message") == BAD.detail


def test_junit_is_well_formed_whatever_a_broker_said() -> None:
    check = Check("read", ok=False, detail="\x1b[31mno\x00\x1b[0m \ud800 größe", seconds=0)
    suite = ET.fromstring(Verdict("smoke", (check,)).junit().encode())  # noqa: S314 - our own output
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "größe" in str(failure.get("message"))


def test_a_step_holds_when_it_found_something_good() -> None:
    checks = Checks("smoke")
    with checks.step("sent") as found:
        found.append(Line("300 records"))
        found.append(Line("acks=all"))
    verdict = checks.verdict()
    assert verdict.ok
    assert (verdict.title, verdict.checks[0].name, verdict.checks[0].detail) == (
        "smoke",
        "sent",
        "300 records; acks=all",
    )


def test_a_step_that_found_nothing_proves_nothing() -> None:
    checks = Checks("smoke")
    with checks.step("sent"):
        pass
    assert checks.verdict().ok is None


def test_only_the_failures_of_a_step_are_told() -> None:
    checks = Checks("smoke")
    with checks.step("read") as found:
        found.extend([Line("1 lost", ok=False), Line("! 300 sent"), Line("2 altered", ok=False)])
    assert not checks.verdict().ok
    assert checks.verdict().checks[0].detail == "1 lost; 2 altered"


@pytest.mark.parametrize(("refuted_by", "ok"), [((), None), (("send-failed",), False)])
def test_a_step_that_cannot_be_carried_out_is_the_last(refuted_by: tuple[str, ...], *, ok: bool | None) -> None:
    checks = Checks("smoke")
    with pytest.raises(StepFailedError), checks.step("sent", refuted_by=refuted_by):
        raise StackError("send-failed", "the topic took nothing", context="NotEnoughReplicas", hint="wait\nthen ask")
    (check,) = checks.verdict().checks
    assert check.ok is ok
    assert check.detail == "the topic took nothing (NotEnoughReplicas); try: wait"


def test_what_nobody_understands_is_recorded_and_goes_on() -> None:
    checks = Checks("smoke")
    with pytest.raises(ZeroDivisionError), checks.step("sent") as found:
        found.append(Line(str(1 // 0)))
    assert checks.verdict().ok is None
