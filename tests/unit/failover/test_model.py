"""The model of a stall agrees with what was measured, names what it can't explain, and says nothing where it can't."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from backbone.failover import model
from backbone.failover.history import Identity
from backbone.failover.page import page
from backbone.failover.timeline import Timeline
from backbone.pages.model import Section, Table
from tests import ROOT
from tests.unit.failover.test_report import made
from tests.unit.failover.test_stalls import outage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.failover.history import History

PROFILES = ROOT / "infra" / "05-messaging" / "kafka" / "failover"
KEPT = ROOT / "results" / "kept"
OLD_FETCH_WAIT = "500"  # what the fast profile had when the kept runs were made
BLIND = Timeline(None, None, None, None, None, None, None, None)


def profile(name: str) -> dict[str, str]:
    """Return the settings of a profile by the broker's own names."""
    lines = (PROFILES / f"{name}.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, _, value in pairs}


def lasting(stall: int, session: str = "300") -> History:
    """Return an outage under a profile so fast that the history's numbers suit it."""
    settings = {**profile("fast"), "broker.session.timeout.ms": session, "controller.quorum.fetch.timeout.ms": "100"}
    settings |= {"controller.quorum.election.backoff.max.ms": "0", "replica.fetch.wait.max.ms": "50"}
    told = (Identity(1, "as this report began", tuple(settings.items())),)
    return replace(outage(silent_to=100 + stall), identities=told)


@pytest.mark.parametrize("name", ["default", "balanced", "fast"])
def test_every_profile_sets_what_the_model_needs(name: str) -> None:
    assert model.at_most("kill", profile(name), controller=True) is not None
    assert {each.stem for each in PROFILES.iterdir()} == {"default", "balanced", "fast"}


def test_the_profiles_are_in_their_order() -> None:
    bounds = [model.at_most("kill", profile(name), controller=False) for name in ("fast", "balanced", "default")]
    wholes = [bound.whole for bound in bounds if bound]
    assert wholes == sorted(wholes)
    assert wholes[0] == 1500 + 1500 / 8 + 100 + 150


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in KEPT.glob("failover*/report.json")))
def test_every_kept_stall_is_within_the_model(folder: str) -> None:
    report = json.loads((KEPT / folder / "report.json").read_text(encoding="utf-8"))
    faults = [fault for run in report["runs"] for fault in run["faults"]]
    bounds = [_bound(fault, report) for fault in faults]
    assert sum(bound is not None for bound in bounds) > 3 or not faults
    beyond = [
        fault["number"]
        for fault, bound in zip(faults, bounds, strict=True)
        if bound and fault["write_stall_ms"] > bound.whole * (1 + model.TOLERANCE)
    ]
    assert beyond == []


def _bound(fault: dict[str, Any], report: dict[str, Any]) -> model.Terms | None:
    """Return what a report says of the model, or what one of before it would have said."""
    if "model_ms" in fault:
        return model.Terms(**fault["model_ms"]) if fault["model_ms"] else None
    settings = profile(report["profile"]) | {"replica.fetch.wait.max.ms": OLD_FETCH_WAIT}
    return model.at_most(fault["kind"], settings, controller=fault["hit"] == "controller")


@pytest.mark.parametrize("settings", [{}, profile("fast") | {"replica.fetch.wait.max.ms": "None"}])
def test_without_the_settings_nothing_is_said(settings: Mapping[str, str]) -> None:
    assert model.at_most("kill", settings, controller=False) is None


def test_a_kind_that_the_model_does_not_know_has_no_bound() -> None:
    assert model.at_most("two-down", profile("fast"), controller=True) is None


def test_a_broker_that_is_silent_costs_the_clients_own_wait() -> None:
    dead, silent = (model.at_most(kind, profile("fast"), controller=False) for kind in ("kill", "pause-long"))
    assert dead
    assert silent
    assert silent.whole - dead.whole == 1500


def test_the_parts_are_the_whole() -> None:
    seen = replace(BLIND, controller=900.0, fenced=2500.0)
    assert model.taken(2900.0, seen, controller=True) == model.Terms(900.0, 1600.0, 400.0)
    assert model.taken(2900.0, seen, controller=True).whole == 2900.0


def test_a_controller_that_nobody_could_tell_of_has_no_part_of_its_own() -> None:
    seen = replace(BLIND, controller=4500.0, fenced=2500.0)
    assert model.taken(2900.0, seen, controller=True) == model.Terms(None, 2500.0, 400.0)
    assert model.taken(2900.0, BLIND, controller=True) == model.Terms(None, None, None)


def blocks(history: History) -> dict[str, Any]:
    return {getattr(block, "title", ""): block for block in page(made(history)).blocks}


def test_the_page_says_where_the_time_went() -> None:
    table = blocks(lasting(500))["Where the time went, worst of each, ms"]
    assert isinstance(table, Table)
    (row,) = table.rows
    # From the fault at 100: a controller at 450, fenced at 500, written again at 600; in all no writes for 499.
    assert row[:6] == ("kill", "controller", 1, 350.0, 50.0, pytest.approx(99, abs=2))
    assert row[-1] == 100 + 300 + 300 / 8 + 50 + 150


def test_a_stall_that_the_settings_do_not_explain_is_named() -> None:
    name = "Longer than the settings explain"
    assert name not in blocks(lasting(650))
    found = blocks(lasting(750))[name]
    assert isinstance(found, Section)
    (words,) = found.blocks
    assert "fault 1, kill of leader: 749 ms, not 638" in str(words)


def test_a_fault_in_the_wake_of_another_is_not_judged() -> None:
    history = lasting(500)
    (fault,) = history.faults
    second = replace(fault, number=2, begun=fault.begun + 1)
    assert model.alone(fault, (fault, second))
    assert not model.alone(second, (fault, second))
    assert model.alone(second, (replace(fault, recovered=second.begun), second))
    assert model.alone(second, (replace(fault, nodes=()), second)), "a client's end"
    third = replace(fault, number=3, begun=fault.begun + 3)
    assert not model.alone(third, (replace(fault, recovered=second.begun), second, third))
    assert model.alone(third, (fault, replace(second, recovered=third.begun), third)), "all of it was whole again"
