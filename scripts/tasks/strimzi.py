"""The way to Kubernetes and back: `./invoke export strimzi`, `./invoke import strimzi`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from invoke import Context

    from backbone.stack.home import Change
    from backbone.stack.settings import Settings
    from backbone.strimzi.layout import Flags
    from backbone.strimzi.manifest import Manifest
    from backbone.strimzi.model import Backbone, LeftOut

_TARGET = "strimzi"


@command(
    unless={"to": "check"},
    help={
        "to": "strimzi: the operator that runs Kafka on Kubernetes",
        "out": "the folder to write; made if it is missing",
        "check": "a folder with an export: compare it with the running stack, exit 1 if anything differs",
        "offline": "check: compare with the stack's files alone, no broker is asked",
        "crds": "a folder with the operator's CRDs: judge every resource by them (see docs/kubernetes.md)",
        "name": "the cluster's name there (default: the project's)",
        "namespace": "the namespace that the operator watches",
        "brokers": "how many brokers (default: as many as here)",
        "controllers": "as many controllers of their own (default: each broker is one too)",
        "size": "a file written by `capacity --for strimzi`: brokers, storage, memory and CPU",
        "diff": "write nothing; show what would change, exit 1 if anything",
        "overwrite": "also replace files that differ",
        "json": "print JSON",
    },
)
def export(
    _c: Context,
    to: str = "",
    out: str = "",
    check: str = "",
    offline: bool = False,
    crds: str = "",
    name: str = "",
    namespace: str = "kafka",
    brokers: int = 0,
    controllers: int = 0,
    size: str = "",
    diff: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> ExitCode:
    """Write this stack as resources for the Strimzi operator on Kubernetes, or compare an export with what runs.

    What has no place there is listed in the export's README.md, with what replaces it. No secret is in any file.
    """
    from pathlib import Path

    from backbone.stack.settings import Settings
    from backbone.strimzi import layout

    if check:
        return _check(Settings(), Path(check), offline=offline, crds=crds, json=json)
    _known(to, "export strimzi --out kubernetes")
    if not out:
        raise StackError(
            "no-folder-given",
            "export wants --out or --check",
            hint="./invoke export strimzi --out kubernetes",
            exit_code=ExitCode.USAGE,
        )
    given = layout.read_size(Path(size)) if size else None
    flags = layout.Flags(name, namespace, brokers, controllers, given)
    return _write(Settings(), Path(out), flags, crds, diff=diff, overwrite=overwrite, json=json)


@command(
    name="import",
    help={
        "source": "strimzi: resources of the operator",
        "folder": "the folder with their YAML files",
        "diff": "write nothing; show what would change, exit 1 if anything",
        "overwrite": "also replace files that differ",
        "json": "print JSON",
    },
    positional=["source", "folder"],
)
def import_(
    _c: Context,
    source: str,
    folder: str,
    diff: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> ExitCode:
    """Read KafkaTopics, KafkaUsers and KafkaConnectors of a team into this stack's own files.

    What is not taken along is listed with the reason. Nothing runs differently until you apply the files.
    """
    from backbone import console
    from backbone.stack import home
    from backbone.stack.settings import Settings
    from backbone.strimzi import intake, manifest

    _known(source, f"import strimzi {shlex.quote(folder)}")
    read = intake.read(*manifest.read_what_can_be(_folder(folder)))
    root = Settings().root
    changes = intake.changes(read, root)
    if diff:
        _show(changes, read.left_out, json=json)
        return ExitCode.FINDINGS if changes else ExitCode.OK
    home.write(root, changes, overwrite=overwrite, task=f"import strimzi {shlex.quote(folder)}")
    if json:
        _show(changes, read.left_out, json=True)
    else:
        console.write_lines(str(each.path) for each in changes)
        _tell_left_out(read.left_out)
    counted = f"{len(read.topics)} topics, {len(read.users)} users, {len(read.connectors)} connectors"
    console.say(f"read {counted}; {len(changes)} files written")
    console.say("next: ./invoke topics plan, ./invoke connectors plan")
    return ExitCode.OK


def _known(target: str, again: str) -> None:
    if target != _TARGET:
        raise StackError(
            "unknown-target",
            f"there is no {target!r}; {_TARGET} is what there is",
            hint=f"./invoke {again}",
            exit_code=ExitCode.USAGE,
        )


def _folder(given: str) -> Path:
    from pathlib import Path

    folder = Path(given)
    if not folder.is_dir():
        raise StackError("no-folder", f"{folder} is no folder", exit_code=ExitCode.USAGE)
    return folder


def _write(
    settings: Settings, folder: Path, flags: Flags, crds: str, *, diff: bool, overwrite: bool, json: bool
) -> ExitCode:
    from pathlib import Path

    from backbone import console
    from backbone.stack import home
    from backbone.strimzi import gather, layout

    found = layout.backbone(settings, flags)
    manifests = layout.manifests(settings, found, flags.namespace)
    if faults := _faults(manifests, crds):
        raise StackError(
            "export-refused",
            f"{len(faults)} things would not work on Kubernetes; nothing was written",
            context="\n".join(" ".join(each) for each in faults),
            exit_code=ExitCode.FINDINGS,
        )
    left = gather.left_out(settings, found)
    texts = layout.files(manifests, layout.readme(found, left, flags.namespace), flags)
    changes = [home.change(folder, Path(name), text.encode()) for name, text in texts.items()]
    wanted = [each for each in changes if each.before != each.after]
    if diff:
        _show(wanted, (), json=json)
        return ExitCode.FINDINGS if wanted else ExitCode.OK
    home.write(folder, wanted, overwrite=overwrite, task=f"export strimzi --out {shlex.quote(str(folder))}")
    if json:
        console.print_json({"files": sorted(texts), "left_out": _rows(left)})
    else:
        console.write_lines(str(each.path) for each in wanted)
    console.say(f"{len(wanted)} files written, {len(manifests)} resources; {len(left)} things are left out (README.md)")
    _tell_version(found)
    if not crds:
        console.say("not judged by the operator's CRDs: --crds DIR does it")
    return ExitCode.OK


def _check(settings: Settings, folder: Path, *, offline: bool, crds: str, json: bool) -> ExitCode:
    from backbone import console
    from backbone.strimzi import layout, manifest, parity

    flags = layout.read_flags(folder)
    found = manifest.read(folder)
    said = layout.backbone(settings, flags)
    expected = said if offline else layout.sized(_observed(settings, said), flags)
    differences = parity.compare(found, layout.manifests(settings, expected, flags.namespace))
    faults = _faults(found, crds)
    rows = [(each.file, each.path, each.found, each.expected) for each in differences]
    if json:
        keys = ("file", "path", "found", "expected")
        wrong = [dict(zip(("file", "path", "reason"), each, strict=True)) for each in faults]
        console.print_json({"differences": [dict(zip(keys, row, strict=True)) for row in rows], "faults": wrong})
    else:
        console.print_table(("FILE", "PATH", "IN THE FILE", "IN THE STACK"), rows) if rows else None
        console.print_table(("FILE", "PATH", "FAULT"), faults) if faults else None
    against = "the stack's files" if offline else "the running stack"
    console.say(f"{len(differences)} differences from {against}, {len(faults)} faults in {len(found)} resources")
    return ExitCode.FINDINGS if rows or faults else ExitCode.OK


def _observed(settings: Settings, said: Backbone) -> Backbone:
    from backbone.strimzi import running

    from . import targets
    from .connectors import open_worker

    own = targets.everything().brokers
    return running.observe(said, own, open_worker(settings) if said.worker else None)


def _faults(manifests: Sequence[Manifest], crds: str) -> list[tuple[str, str, str]]:
    from backbone.strimzi import crd, rules

    judged = [*rules.judge(manifests), *(crd.judge(manifests, crd.read(_folder(crds))) if crds else ())]
    return [(each.file, each.path, each.reason) for each in judged]


def _show(changes: Sequence[Change], left: Sequence[LeftOut], *, json: bool) -> None:
    import sys

    from backbone import console

    if json:
        console.print_json({"files": [str(each.path) for each in changes], "left_out": _rows(left)})
        return
    for change in changes:
        sys.stdout.write(change.diff())
    _tell_left_out(left)


def _tell_left_out(left: Sequence[LeftOut]) -> None:
    from rich.markup import escape

    from backbone import console

    for each in left:
        console.say(escape(f"left out: {each.what}: {each.instead}"))


def _tell_version(found: Backbone) -> None:
    from backbone import console
    from backbone.strimzi.model import STRIMZI, supported

    version = supported(found.version)
    if version != found.version:
        console.say(f"[bold yellow]Kafka {version}[/], not {found.version}: Strimzi {STRIMZI} does not run that")


def _rows(left: Sequence[LeftOut]) -> list[Mapping[str, str]]:
    return [{"what": each.what, "instead": each.instead} for each in left]
