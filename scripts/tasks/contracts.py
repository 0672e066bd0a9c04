"""Event contracts: check them offline, bring them into the registry, see where the two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from backbone.errors import ExitCode, StackError
    from backbone.events.contracts.model import Contract, Contracts
    from backbone.events.contracts.registration import Change
    from backbone.events.contracts.registry import Registry
    from backbone.stack.engine import Stack
    from backbone.stack.settings import Settings


@command(
    actions={"check": (), "plan": (), "apply": (), "drift": (), "new": ("topic",)},
    help={
        "action": "check (offline) | plan | apply | drift | new TOPIC",
        "topic": "new: the topic whose values the contract is for",
        "owner": "new: who answers for it",
        "registry": "URL of a registry with Confluent's API; default: the one of this stack",
        "json": "print one JSON document on stdout",
    },
)
def contracts(
    _c: Context, action: str, topic: str, *, owner: str = "your-team", registry: str = "", json: bool = False
) -> ExitCode | None:
    """Event contracts in schemas/contracts.

    check judges every version against the earlier ones, offline. plan exits 1 while apply would do something to
    the registry, drift if git and the registry differ in anything. new writes a first contract, to be filled in.
    """
    from backbone.stack.settings import Settings

    settings = Settings()
    if action == "new":
        _new(settings, topic, owner)
        return None
    if action == "check":
        return _check(settings, json=json)
    return _registry_action(settings, registry, action, json=json)


def put_in_force(stack: Stack) -> None:
    """Bring the contracts into the registry of a stack that was just started; what cannot be is said, not raised."""
    from backbone import console
    from backbone.errors import StackError
    from backbone.events.contracts import registration, registry

    try:
        contracts = load(stack.settings)
        outcome = registration.apply(contracts, registry.of_stack(stack.model), lambda _: None)
        for change in outcome.done:
            console.say(f"contract {change.subject}: {change.kind} {change.detail}")
        for failure in _failures(contracts, outcome.failures):
            console.print_error(failure)
    except StackError as error:
        if error.reference != "no-contracts":
            console.print_error(error)


def open_registry(settings: Settings, url: str = "") -> Registry:
    """Return the registry at a URL, or that of this stack."""
    from backbone.events.contracts.registry import Registry, of_stack
    from backbone.stack import endpoints

    return Registry(url.rstrip("/")) if url else of_stack(endpoints.model(settings))


def load(settings: Settings) -> Contracts:
    """Return the checkout's contracts, the faulty ones with their faults."""
    from backbone.events.contracts import repository

    return repository.load(settings.root / repository.FOLDER, repository.SCHEMA_FILE)


def contract_of(settings: Settings, topic: str) -> Contract:
    """Return the contract of a topic's values; StackError("no-contract") if there is none."""
    from backbone.errors import ExitCode, StackError
    from backbone.stack import topic_rules

    contracts = load(settings)
    contract = contracts.for_topic(topic)
    if contract is None:
        raise StackError(
            "no-contract",
            f"topic {topic!r} has no contract",
            context="topics with one: " + ", ".join(sorted(each.topic for each in contracts.contracts)),
            hint=f"./invoke contracts new {'orders' if topic_rules.application_fault(topic) else topic}",
            exit_code=ExitCode.USAGE,
        )
    return contract


def _new(settings: Settings, topic: str, owner: str) -> None:
    from backbone import console
    from backbone.events.contracts import repository, scaffold
    from backbone.stack import topics

    files = scaffold.write(settings.root / repository.FOLDER, topic, owner)
    if topics.add(settings.root / topics.FILE, topic):
        files.append(settings.root / topics.FILE)
    for file in files:
        console.data.print(str(file.relative_to(settings.root)), markup=False)
    console.say("next: fill them in, then")
    for command_line in ("contracts check", "topics apply", "contracts apply"):
        console.say(f"  ./invoke {command_line}")


def _check(settings: Settings, *, json: bool) -> ExitCode | None:
    from backbone import console
    from backbone.errors import ExitCode
    from backbone.events.connectors import columns, files
    from backbone.events.contracts import repository

    root = settings.root
    contracts, findings = repository.check(root / repository.FOLDER, repository.SCHEMA_FILE)
    if contracts.contracts:
        sinks = files.load(root / files.FOLDER, files.SCHEMA_FILE)
        findings = [*findings, *columns.check(contracts.contracts, sinks)]
    faults = [each for each in findings if not each.warning]
    if json:
        rows = [
            {
                "file": str(f.file.relative_to(root)),
                "line": f.line,
                "severity": "warning" if f.warning else "error",
                "rule": f.rule,
                "message": f.message,
            }
            for f in findings
        ]
        console.print_json({"ok": not faults, "findings": rows})
    else:
        for found in findings:
            place = f"{found.file.relative_to(root)}:{found.line}"
            severity = "warning: " if found.warning else ""
            console.data.print(f"{place}: {severity}{found.message} ({found.rule})", markup=False)
    if faults:
        return ExitCode.FINDINGS
    if not json:
        count = sum(len(contract.versions) for contract in contracts.contracts)
        console.say(f"sound: {', '.join(c.subject for c in contracts.contracts)} ({count} versions)")
    return None


def _registry_action(settings: Settings, url: str, action: str, *, json: bool) -> ExitCode | None:
    from backbone import console
    from backbone.errors import ExitCode
    from backbone.events.contracts import registration

    contracts, registry = load(settings), open_registry(settings, url)
    changes: Sequence[Change]
    failures: Sequence[StackError]
    missing: list[str] = []
    if action == "apply":
        outcome = registration.apply(contracts, registry, lambda _: None)
        changes, failures, nothing = outcome.done, outcome.failures, "the registry has it all already"
        missing = [] if url else _without_topic(settings, contracts)
    else:
        changes, nothing = registration.compare(contracts, registry), "git and the registry agree"
        failures = [registration.conflict(changes)] if any(change.conflict for change in changes) else []
    failures = _failures(contracts, failures)
    if json:
        rows = [{"kind": change.kind, "subject": change.subject, "detail": change.detail} for change in changes]
        found = {"failures": [failure.as_dict() for failure in failures], "missing_topics": missing}
        console.print_json({"changes": rows, **{name: value for name, value in found.items() if value}})
    else:
        _show(changes, nothing="" if failures else nothing)
    for failure in failures:
        console.print_error(failure)
    for topic in missing:
        console.say(f"the topic {topic} of {topic}-value is missing: ./invoke topics create {topic}")
    if action == "plan":
        changes = [change for change in changes if change.appliable]
    return ExitCode.FINDINGS if failures or (changes and action != "apply") else None


def _failures(contracts: Contracts, failures: Sequence[StackError]) -> list[StackError]:
    """Return why some subjects were left out: their files are faulty, or the registry and git contradict each other."""
    from backbone.events.contracts.model import invalid

    return [*([invalid(contracts.faulty)] if contracts.faulty else []), *failures]


def _without_topic(settings: Settings, contracts: Contracts) -> list[str]:
    """Return the contracts' topics that the cluster does not have; none if no broker answers."""
    from backbone import clients
    from backbone.errors import StackError
    from backbone.stack import endpoints

    try:
        with clients.admin(endpoints.bootstrap(endpoints.model(settings))) as client:
            known = set(client.list_topics())
    except StackError:
        return []
    return [contract.topic for contract in contracts.contracts if contract.topic not in known]


def _show(changes: Sequence[Change], *, nothing: str) -> None:
    from backbone import console

    if changes:
        rows = [(change.kind, change.subject, change.detail) for change in changes]
        console.print_table(("change", "subject", "detail"), rows)
    elif nothing:
        console.say(nothing)
