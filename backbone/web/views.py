"""What each page shows: a desk goes in, the values of its template come out."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from backbone import results
from backbone.doctor import checks
from backbone.doctor.gather import gather
from backbone.errors import ExitCode, StackError
from backbone.events import dead_letters
from backbone.events.connectors import causes
from backbone.pages.render import picture
from backbone.security import access as access_rules
from backbone.snapshots import operations
from backbone.stack import groups
from backbone.web import faults, graph, records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.events.connectors.causes import Cause
    from backbone.events.connectors.worker import State
    from backbone.events.contracts.model import Version
    from backbone.web.cluster import Follower, Topic
    from backbone.web.desk import Desk

Values = dict[str, Any]
_LOOK_S = 0.8  # a page asks every second
_LIST_S = 1.5
_GROUPS_S = 4.0  # how long a record has been waiting costs a look at that record
_LOG_LINES = 200


def stack(desk: Desk) -> Values:
    """Return every service, the picture of them, and what the cluster says of itself."""
    states = [] if desk.stack is None else desk.fresh("states", _LOOK_S, desk.own.engine.states)
    shown = None
    if desk.stack is not None:
        able = {each.name: each for each in states if each.phase != "unavailable"}
        shown = graph.draw(desk.own.model.only(able), able)
    cluster, lost = None, ""
    try:
        cluster = desk.fresh("health", _LOOK_S, desk.cluster.health)
    except StackError as error:
        lost = error.message
    return {
        "states": states,
        "picture": shown,
        "cluster": cluster,
        "lost": lost,
        "word": graph.word,
        "firing": 0 if desk.watch is None else desk.watch.firing,
        "fault": None if desk.stack is None else faults.of_stack(desk.own.settings.results_dir),
    }


def metrics(desk: Desk) -> Values:
    """Return the pictures of the last half hour, and why they are not newer."""
    if desk.watch is None:
        lost = "nobody told the console of this cluster's exporters: those of a stack stand in its Compose files"
        return {"charts": [], "lost": lost}
    found = desk.fresh("metrics", _LOOK_S, lambda: desk.watching.history.charts(desk.clock.now()))
    return {"charts": list(map(picture, found)), "lost": desk.watch.lost}


def alerts(desk: Desk) -> Values:
    """Return every alerting rule and how it stands, those that fire first."""
    watch = desk.watching
    return {"judged": watch.judged, "lost": watch.lost, "asked": watch.prometheus is not None}


def service(desk: Desk, name: str) -> Values:
    """Return one service with the end of its log."""
    (state,) = desk.own.engine.states([desk.own.model[name].name])
    return {"this": state, "word": graph.word(state), "log": list(desk.own.engine.logs(name, _LOG_LINES))}


def topics(desk: Desk, form: Mapping[str, str]) -> Values:
    """Return the topics, those that Kafka, registry and Connect keep only if asked for."""
    every = _topics(desk)
    shown = [each for each in every if form.get("internal") or not each.internal]
    return {"topics": shown, "hidden": len(every) - len(shown)}


def _topics(desk: Desk) -> list[Topic]:
    return desk.fresh("topics", _LIST_S, desk.cluster.topics)


def topic(desk: Desk, name: str, form: Mapping[str, str]) -> Values:
    """Return one topic: partitions, settings, groups, its contract, and the records that are asked for."""
    found = next((each for each in _topics(desk) if each.name == name), None)
    if found is None:
        raise StackError("no-topic", f"there is no topic {name}", exit_code=ExitCode.USAGE)
    wanted = records.Wanted.from_form(form)
    return {
        "topic": found,
        "settings": desk.fresh(f"settings {name}", 5, lambda: desk.cluster.settings(name)),
        "wanted": wanted,
        "rows": records.rows(desk, name, wanted),
        "contract": None if desk.stack is None else desk.contracts().for_topic(name),
    }


def group_list(desk: Desk) -> Values:
    """Return every group, the farthest behind first."""
    return {"groups": desk.fresh("groups", _GROUPS_S, desk.cluster.followers)}


def group(desk: Desk, name: str) -> Values:
    """Return one group with its members and places."""
    found: list[Follower] = desk.fresh("groups", _GROUPS_S, desk.cluster.followers)
    one = next((each for each in found if each.group.name == name), None)
    if one is None:
        raise StackError("no-such-group", f"there is no group {name}", exit_code=ExitCode.USAGE)
    members = desk.cluster.ask(lambda client: groups.members(client, [one.group]))
    return {"group": one, "members": members.get(name, ())}


def letters(desk: Desk) -> Values:
    """Return the dead letters of every connector, grouped by cause."""
    own = () if desk.stack is not None and desk.worker is None else desk.connectors()
    names = dict.fromkeys(each.dead_letters for each in own if each.dead_letters)
    boxes = [dead_letters.open_box(desk.cluster.bootstrap, str(name)) for name in names]
    return {"boxes": [(box, dead_letters.groups(box), box.waiting()[:_LETTERS]) for box in boxes]}


_LETTERS = 50


@dataclass(frozen=True, slots=True)
class Running:
    """A connector with the cause of its failure, and whether the checkout's files describe it."""

    state: State
    cause: Cause | None
    known: bool


def connectors(desk: Desk) -> Values:
    """Return every connector with the first cause of what failed."""
    if desk.worker is None:
        return {"connectors": [], "worker": False}
    known = {each.name for each in desk.connectors()}
    states = [state for name in desk.worker.connectors() if (state := desk.worker.state(name))]
    found = [
        Running(state, causes.explain(state.first_trace) if state.first_trace else None, state.name in known)
        for state in states
    ]
    return {"connectors": found, "worker": True}


def contracts(desk: Desk) -> Values:
    """Return every contract with its versions, and what each version changed."""
    found = desk.contracts()
    return {
        "contracts": [(one, _changes(one.versions)) for one in found.contracts],
        "faulty": {subject: list(map(str, faults)) for subject, faults in found.faulty.items()},
    }


def _changes(versions: tuple[Version, ...]) -> list[tuple[Version, list[str]]]:
    """Return each version with the lines it changed of the one before, the newest first."""
    found = []
    for before, after in zip((None, *versions), versions, strict=False):
        lines = unified_diff(before.text.splitlines(), after.text.splitlines(), lineterm="", n=1) if before else ()
        found.append((after, [line for line in lines if not line.startswith(("---", "+++", "@@"))]))
    return found[::-1]


def doctor(desk: Desk) -> Values:
    """Return the checks that found something, and how many found nothing."""
    answers = desk.fresh("doctor", 5, lambda: checks.diagnose(gather(desk.own)))
    return {
        "answers": [each for each in answers if each.findings],
        "clean": sum(each.status == "ok" for each in answers),
        "unknown": [each for each in answers if each.status == "unknown"],
    }


def kept(desk: Desk) -> Values:
    """Return what bench, failover, archive and smoke have kept, the newest first."""
    root = desk.own.settings.results_dir
    return {"kept": results.found(root) if root.is_dir() else [], "root": root}


def snapshots(desk: Desk) -> Values:
    """Return every snapshot, the newest first, and what is wrong with those that cannot be read."""
    store = operations.of(desk.own.settings)
    found, damaged = [], []
    for name in reversed(store.names()):
        try:
            found.append(store.load(name))
        except StackError as error:
            damaged.append(error.message)
    return {"snapshots": found, "damaged": damaged}


def access(desk: Desk) -> Values:
    """Return who may do what in a secure cluster, and how that differs from access.yml; rules: None if all may all."""
    try:
        found = desk.fresh("access", 5, lambda: desk.cluster.ask(access_rules.describe))
    except StackError as error:
        if error.reference != "no-authorizer":
            raise
        return {"rules": None, "changes": (), "logins": {}}
    users = access_rules.read(desk.own.settings.root / access_rules.FILE)
    logins = {user.name: user.login for user in users}
    return {"rules": sorted(found), "changes": access_rules.plan(users, found), "logins": logins}
