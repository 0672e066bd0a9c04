"""Tasks for who may do what: users, their rules, and the certificates of the secure profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from invoke import Context

    from backbone.security.layout import Secrets
    from backbone.stack.engine import Stack


@command(
    actions={"plan": (), "apply": (), "drift": ()},
    help={
        "action": "plan | apply | drift",
        "bootstrap": "HOST:PORT[,…] of another cluster: plan and drift ask it, nothing is changed there",
        "command_config": COMMAND_CONFIG_HELP,
        "engine": "docker, embedded or auto",
        "json": "print JSON",
    },
)
def access(
    c: Context,
    action: str,
    bootstrap: str = "",
    command_config: str = "",
    engine: str | None = None,
    json: bool = False,
) -> ExitCode:
    """Compare what a secure cluster allows with infra/05-messaging/security/access.yml, or make it so.

    apply also takes away what the file does not name, and enters the users' passwords again; `up` only adds. plan and
    drift change nothing: they exit 1 while something differs.
    """
    from dataclasses import asdict

    from backbone import clients, console
    from backbone.security import access as library
    from backbone.stack import admission

    from . import targets

    theirs = targets.remote(bootstrap, command_config)
    if theirs and action == "apply":
        raise StackError(
            "usage",
            "rules and passwords of another cluster are not changed from here",
            hint=f"./invoke access plan --bootstrap {','.join(theirs)}",
            exit_code=ExitCode.USAGE,
        )
    stack = targets.stack(None, engine, quiet=True)
    named = library.read(stack.settings.root / library.FILE)
    secrets = None if theirs else _secrets(stack)
    with clients.admin(theirs or targets.own_brokers(stack)) as client:
        changes = library.plan(named, library.describe(client))
        if secrets and action == "apply":
            library.apply(client, changes)
            admission.enter(client, secrets, named, stack.bootstrap)
    if json:
        console.print_json([{"kind": change.kind, **asdict(change.rule)} for change in changes])
    else:
        rows = [
            (x.kind, x.rule.user, x.rule.operation, x.rule.resource, x.rule.name + "*" * (x.rule.pattern == "prefixed"))
            for x in changes
        ]
        console.print_table(("STEP", "USER", "OPERATION", "ON", "NAME"), rows)
    console.say(f"{len(changes)} {'changed' if action == 'apply' else 'to change'}")
    return ExitCode.FINDINGS if changes and action != "apply" else ExitCode.OK


@command(
    actions={"add": ("name",), "rotate": ("name",), "settle": ("name",)},
    iterable=["topic"],
    help={
        "action": "add | rotate | settle",
        "name": "of the user: add, a new one; rotate and settle, one with a password",
        "topic": "add: what they read and write, a name or a beginning with *; repeat it for more (default: NAME*)",
        "engine": "docker, embedded or auto",
    },
)
def user(c: Context, action: str, name: str, topic: list[str] | None = None, engine: str | None = None) -> None:
    """Add a user to access.yml and to the cluster, give one a new password, or take the former one away.

    rotate: the former password stays good until settle, so that clients can change one after another.
    """
    from backbone import clients, console
    from backbone.security import access as library
    from backbone.security import users
    from backbone.stack import admission

    from . import targets

    stack = targets.stack(None, engine, quiet=True)
    secrets = _secrets(stack)
    with clients.admin(targets.own_brokers(stack)) as client:
        if action == "add":
            file = stack.settings.root / library.FILE
            library.add(file, name, topic or [f"{name}*"])
            admission.admit(client, secrets, library.read(file), stack.bootstrap)
            console.say(f"{name} is in {library.FILE}; {secrets.properties(name)} has all that a client needs")
        elif action == "rotate":
            users.rotate(client, secrets, name, stack.bootstrap)
            console.say(f"{secrets.properties(name)} has the new password; the former one is good until")
            console.say(f"./invoke user settle {name}")
        else:
            gone = users.settle(client, secrets, name)
            console.say(f"the former password of {name} is {'good no more' if gone else 'not there'}")


@command(
    actions={"show": (), "renew": (), "export": ()},
    help={
        "action": "show | renew | export",
        "out": "export: the file to write the authority's certificate to (default: standard output)",
        "timeout": "renew: seconds to wait for each service",
        "engine": "docker, embedded or auto",
        "json": "print JSON",
    },
)
def certs(
    c: Context, action: str, out: str = "", timeout: int = 180, engine: str | None = None, json: bool = False
) -> ExitCode:
    """Show who holds a certificate and until when, renew them all, or export what other machines have to trust.

    renew makes each anew and restarts its service, one after the other, so that the cluster stays up. show exits 1 if
    one ends within 30 days: the next start of its service renews it.
    """
    from . import targets

    stack = targets.everything(engine)
    secrets = _secrets(stack)
    if action == "renew":
        _renew(secrets, engine, timeout)
        return ExitCode.OK
    if action == "export":
        _export(secrets, out)
        return ExitCode.OK
    return _show(secrets, json=json)


def _secrets(stack: Stack) -> Secrets:
    """Return where a stack's secrets are; StackError("not-secure") for one that has none."""
    from backbone.stack import secure

    found = secure.secrets(stack.model)
    if found is None or not found.ca.exists():
        raise StackError(
            "not-secure",
            "there are no certificates: nothing has been started with KAFKA_SECURITY=secure",
            hint="set KAFKA_SECURITY=secure in .env, then\n./invoke down && ./invoke up",
            exit_code=ExitCode.USAGE,
        )
    return found


def _show(secrets: Secrets, *, json: bool) -> ExitCode:
    import time
    from datetime import UTC, datetime

    from backbone import console
    from backbone.security import certificates

    now = time.time()
    authority = certificates.leaf(secrets.ca)
    found = [*([authority] if authority else []), *certificates.holders(secrets.folder)]
    rows = [
        {
            "name": one.name,
            "hosts": sorted(one.hosts),
            "ends": datetime.fromtimestamp(one.ends, UTC).isoformat(),
            "days_left": int((one.ends - now) // 86400),
            "serial": f"{one.serial:x}",
        }
        for one in found
    ]
    if json:
        console.print_json(rows)
    else:
        table = [(row["name"], str(row["ends"])[:10], row["days_left"], ", ".join(row["hosts"])) for row in rows]  # type: ignore[arg-type]
        console.print_table(("HOLDER", "UNTIL", "DAYS LEFT", "FOR"), table)
    return ExitCode.FINDINGS if any(one.ends - now < certificates.RENEW_DAYS * 86400 for one in found) else ExitCode.OK


def _renew(secrets: Secrets, engine: str | None, timeout: int) -> None:
    import time
    from functools import partial

    from backbone import console
    from backbone.security import certificates
    from backbone.stack import lifecycle

    from . import targets
    from .stack import show

    for holder in certificates.holders(secrets.folder):
        made = certificates.renew(secrets.folder, holder.name, now=time.time())
        days = int((made.ends - time.time()) // 86400)
        stack = targets.running(engine)
        if made.name in stack.model.services:
            console.say(f"{made.name}: renewed for {days} days; restarting it")
            with console.Waiting(timeout) as waiting:
                lifecycle.restart(stack, made.name, timeout=timeout, progress=console.say, watch=partial(show, waiting))
        else:
            console.say(f"{made.name}: renewed for {days} days")


def _export(secrets: Secrets, out: str) -> None:
    import sys
    from pathlib import Path

    from backbone import console, report_file

    text = secrets.ca.read_text(encoding="ascii")
    if out:
        report_file.write(Path(out), text)
        console.say(f"wrote {out}: clients on other machines trust the cluster by it")
    else:
        sys.stdout.write(text)
