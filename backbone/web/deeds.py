"""What a page can do: each says what it would do, and does it when it is asked a second time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.doctor import checks, fixes
from backbone.doctor.gather import gather
from backbone.errors import ExitCode, StackError
from backbone.events import records, replaying, skipping
from backbone.stack import groups, lifecycle
from backbone.web import records as page_records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backbone.events.connectors.worker import Worker
    from backbone.web.desk import Desk

_TIMEOUT_S = 120.0
_REPLAY_RATE = 100


@dataclass(frozen=True, slots=True)
class Said:
    """What was done, or would be: a heading and its lines. more: there is something to confirm. failed: it was not."""

    heading: str
    lines: tuple[str, ...]
    more: bool = False
    failed: bool = False


def restart(desk: Desk, form: Mapping[str, str]) -> Said:
    """Restart a service in order and wait until the stack is whole."""
    name, lines = form["service"], list[str]()
    lifecycle.restart(desk.running(), name, timeout=_TIMEOUT_S, progress=lines.append, watch=lambda _: None)
    return Said(f"{name} is back", tuple(lines))


def reset(desk: Desk, form: Mapping[str, str]) -> Said:
    """Move a group's places; without `yes` only say which."""
    name, to = form["group"], form.get("to", "").strip()
    moves = desk.cluster.ask(lambda client: groups.plan_reset(client, name, to, topic=form.get("topic", "")))
    lines = tuple(f"{each.topic}-{each.partition}: {each.before} → {each.after}" for each in moves)
    if not moves:
        return Said(f"{name} is there already", ())
    if "yes" not in form:
        return Said(f"{name} would move to {to}", lines, more=True)
    desk.cluster.ask(lambda client: groups.reset(client, name, moves))
    return Said(f"{name} was moved to {to}", lines)


def replay(desk: Desk, form: Mapping[str, str]) -> Said:
    """Send dead letters to where they came from; without `yes` only say which."""
    topic, only = form["topic"], {"cause": form.get("cause", ""), "place": form.get("place", "")}
    due = replaying.send_again(
        desk.cluster.bootstrap, topic, only, rate=_REPLAY_RATE, again="again" in form, dry="yes" not in form
    )
    lines = [str(each.origin) for each in due.send[:_LINES]]
    if due.alike:
        lines.append(f"{len(due.alike)} were sent again before and refused for the same cause")
    if due.homeless:
        lines.append(f"{len(due.homeless)} do not say where they came from, or have neither key nor value")
    what = "were sent again" if "yes" in form else "would be sent again"
    return Said(f"{len(due.send)} records of {topic} {what}", tuple(lines), more="yes" not in form and bool(due.send))


_LINES = 20


def connector(desk: Desk, form: Mapping[str, str]) -> Said:
    """Pause, resume or restart a connector, or put the record it failed at aside."""
    if desk.worker is None:
        raise StackError("no-connect", "this console knows no Connect worker", exit_code=ExitCode.USAGE)
    name, verb = form["connector"], form["verb"]
    if verb == "skip":
        return _skip(desk, desk.worker, name, yes="yes" in form)
    verbs: Mapping[str, Callable[[str], None]] = {
        "pause": desk.worker.pause,
        "resume": desk.worker.resume,
        "restart": desk.worker.restart,
    }
    if verb not in verbs:
        raise StackError("unknown-action", f"a connector cannot {verb!r}", exit_code=ExitCode.USAGE)
    verbs[verb](name)
    return Said(f"{name}: {verb}", ("Connect carries it out within seconds",))


def _skip(desk: Desk, worker: Worker, name: str, *, yes: bool) -> Said:
    sink = next((each for each in desk.connectors() if each.name == name), None)
    if sink is None or not sink.dead_letters:
        raise StackError("which-connector", f"{name} has no dead letters of its own", exit_code=ExitCode.USAGE)
    stuck = skipping.find(name, worker)
    line = f"{stuck.place}: {stuck.words}"
    if not yes:
        return Said(f"{name} would put the record it failed at aside", (line, f"into {sink.dead_letters}"), more=True)
    skipping.put_aside(desk.cluster.bootstrap, sink, stuck, worker, timeout=_TIMEOUT_S)
    return Said(f"{name} goes on behind the record", (line, f"now in {sink.dead_letters}"))


def fix(desk: Desk, _form: Mapping[str, str]) -> Said:
    """Carry out the doctor's repairs that are safe."""
    evidence = gather(desk.own)
    done = fixes.apply(checks.diagnose(evidence), evidence, desk.own.settings)
    return Said("repaired" if done else "there is nothing to repair", tuple(done))


def send(desk: Desk, form: Mapping[str, str]) -> Said:
    """Send one record to a topic by its contract; nothing is sent if a field is wrong."""
    topic, text = form["topic"], form.get("record", "")
    codec = page_records.codec(desk, topic)
    line = json.dumps(_parsed(text), ensure_ascii=False).encode()
    limit = records.largest_record(desk.cluster.bootstrap, topic)
    records.produce(
        lambda: iter([line]), codec, lambda: records.transaction(desk.cluster.bootstrap, topic, limit), limit
    )
    return Said(f"one record was sent to {topic}", (f"by {codec.contract.subject} v{codec.contract.latest.number}",))


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StackError("not-json", f"the record is no JSON: {error}", exit_code=ExitCode.USAGE) from error


DEEDS: Mapping[str, Callable[[Desk, Mapping[str, str]], Said]] = {
    "restart": restart,
    "reset": reset,
    "replay": replay,
    "connector": connector,
    "fix": fix,
    "send": send,
}
