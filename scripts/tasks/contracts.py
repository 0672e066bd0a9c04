"""Event contracts: check them offline, bring them into the registry, see where the two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .command import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from backbone.errors import ExitCode
    from backbone.events.contracts.model import Contract, Contracts
    from backbone.events.contracts.registration import Change
    from backbone.events.contracts.registry import Registry
    from backbone.stack.settings import Settings


@command(
    actions={"check": (), "plan": (), "apply": (), "drift": ()},
    help={
        "action": "check (offline) | plan | apply | drift",
        "registry": "URL of a registry with Confluent's API; default: the one of this stack",
        "json": "print one JSON document on stdout",
    },
)
def contracts(_c: Context, action: str, *, registry: str = "", json: bool = False) -> ExitCode | None:
    """Event contracts in schemas/contracts.

    check judges every version against the earlier ones, offline. plan exits 1 while apply would do something to
    the registry, drift if git and the registry differ in anything.
    """
    from backbone.stack.settings import Settings

    settings = Settings()
    if action == "check":
        return _check(settings, json=json)
    return _registry_action(settings, open_registry(settings, registry), action, json=json)


def open_registry(settings: Settings, url: str = "") -> Registry:
    """Return the registry at a URL, or that of this stack."""
    from backbone.events.contracts.registry import Registry
    from backbone.stack import endpoints

    if not url:
        url = endpoints.named(endpoints.model(settings), "schema-registry", "SCHEMA_REGISTRY_URL")
    return Registry(url.rstrip("/"))


def load(settings: Settings) -> Contracts:
    """Return the checkout's contracts; StackError("contracts-invalid") if one is not sound."""
    from backbone.events.contracts import repository

    return repository.load(settings.root / repository.FOLDER, repository.SCHEMA_FILE)


def contract_of(settings: Settings, topic: str) -> Contract:
    """Return the contract of a topic's values; StackError("no-contract") if there is none."""
    from backbone.errors import ExitCode, StackError

    contracts = load(settings)
    contract = contracts.for_topic(topic)
    if contract is None:
        raise StackError(
            "no-contract",
            f"topic {topic!r} has no contract",
            context="topics with one: " + ", ".join(sorted(each.topic for each in contracts.contracts)),
            hint=f"invoke contracts new {topic}",
            exit_code=ExitCode.USAGE,
        )
    return contract


def _check(settings: Settings, *, json: bool) -> ExitCode | None:
    from backbone import console
    from backbone.errors import ExitCode
    from backbone.events.connectors import columns, files
    from backbone.events.contracts import repository

    root = settings.root
    contracts, findings = repository.check(root / repository.FOLDER, repository.SCHEMA_FILE)
    if contracts:
        sinks = files.load(root / files.FOLDER, files.SCHEMA_FILE)
        findings = [*findings, *columns.check(contracts.contracts, sinks)]
    if json:
        rows = [
            {"file": str(f.file.relative_to(root)), "line": f.line, "rule": f.rule, "message": f.message}
            for f in findings
        ]
        console.print_json({"ok": not findings, "findings": rows})
    else:
        for found in findings:
            place = f"{found.file.relative_to(root)}:{found.line}"
            console.data.print(f"{place}: {found.message} ({found.rule})", markup=False)
    if findings:
        return ExitCode.FINDINGS
    if contracts and not json:
        count = sum(len(contract.versions) for contract in contracts.contracts)
        console.say(f"sound: {', '.join(c.subject for c in contracts.contracts)} ({count} versions)")
    return None


def _registry_action(settings: Settings, registry: Registry, action: str, *, json: bool) -> ExitCode | None:
    from backbone.errors import ExitCode
    from backbone.events.contracts import registration

    contracts = load(settings)
    if action == "apply":
        changes: Sequence[Change] = registration.apply(contracts, registry, lambda _: None)
        _show(changes, json=json, nothing="the registry has it all already")
        return None
    changes = registration.compare(contracts, registry)
    _show(changes, json=json, nothing="git and the registry agree")
    if action == "plan":
        registration.refuse_conflicts(changes)
        changes = [change for change in changes if change.appliable]
    return ExitCode.FINDINGS if changes else None


def _show(changes: Sequence[Change], *, json: bool, nothing: str) -> None:
    from backbone import console

    if json:
        rows = [{"kind": change.kind, "subject": change.subject, "detail": change.detail} for change in changes]
        console.print_json({"changes": rows})
    elif changes:
        console.print_table(
            ("change", "subject", "detail"),
            [(change.kind, change.subject, change.detail) for change in changes],
        )
    else:
        console.say(nothing)
