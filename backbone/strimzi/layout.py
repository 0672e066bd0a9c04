"""An export as files: every resource, a kustomization for each folder, a README, and the flags it was made with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone import resources
from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.strimzi import cluster, connect, gather, manifest, monitoring, topics
from backbone.strimzi.manifest import Manifest
from backbone.strimzi.model import STRIMZI, Backbone, Size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from backbone.stack.settings import Settings
    from backbone.strimzi.model import LeftOut

FLAGS_FILE = "export.json"
README = "README.md"
_KUSTOMIZATION = "kustomization.yaml"
_METRICS = Path("infra", "05-messaging", "kafka", "jmx", "kafka.yml")


@dataclass(frozen=True, slots=True)
class Flags:
    """What an export was asked for. brokers, controllers 0: as the stack has them. size: of --size."""

    name: str = ""
    namespace: str = "kafka"
    brokers: int = 0
    controllers: int = 0
    size: Size | None = None


def backbone(settings: Settings, flags: Flags) -> Backbone:
    """Return the backbone of a home in the size that the flags ask for."""
    return sized(gather.gather(settings, name=flags.name), flags)


def sized(found: Backbone, flags: Flags) -> Backbone:
    """Return a backbone in the size that the flags ask for; storage is reckoned for that many brokers."""
    size = flags.size or found.size
    brokers = flags.brokers or size.brokers
    if flags.size is None:
        size = replace(size, storage=cluster.storage(found.topics, found.settings, brokers))
    source = "--brokers, --controllers" if flags.brokers or flags.controllers else size.source
    return replace(
        found,
        size=replace(size, brokers=brokers, controllers=flags.controllers or size.controllers, source=source),
    )


def manifests(settings: Settings, found: Backbone, namespace: str) -> tuple[Manifest, ...]:
    """Return every resource of an export, and the kustomizations that list them."""
    dashboards = sorted((settings.root / monitoring.DASHBOARDS).glob("*.json"))
    parts = [
        *cluster.manifests(found, reading.read_text(settings.root / _METRICS)),
        *topics.kafka_topics(found.topics, found.name, found.default_replicas),
        *topics.kafka_users(found.users, found.name),
        *connect.manifests(found, gather.plugins(settings)),
        *monitoring.manifests(
            found.name,
            reading.read_text(settings.root / monitoring.ALERTS),
            {path.name: reading.read_text(path) for path in dashboards},
        ),
    ]
    return (*parts, *_kustomizations(parts, namespace))


def files(found: Sequence[Manifest], readme: str, flags: Flags) -> dict[str, str]:
    """Return the text of every file of an export, by its path."""
    by_file = sorted(found, key=lambda each: each.file)
    texts = {name: manifest.text(list(group)) for name, group in groupby(by_file, key=lambda each: each.file)}
    told = {"made by": f"messaging-backbone {resources.version()}", "strimzi": STRIMZI, **asdict(flags)}
    return {**texts, README: readme, FLAGS_FILE: json.dumps(told, indent=2) + "\n"}


def read_size(path: Path) -> Size:
    """Return the size that a file gives (`capacity --for strimzi` writes it); StackError("bad-size") for any other."""
    try:
        return _size(json.loads(reading.read_text(path)))
    except reading.NONSENSE as error:
        raise StackError(
            "bad-size",
            f"{path} holds no size",
            context=f"{type(error).__name__}: {error}",
            hint="what `capacity --rate 10000 --for strimzi` prints is such a file",
            exit_code=ExitCode.USAGE,
        ) from error


def _size(told: Mapping[str, Any]) -> Size:
    low, high = told["heap"]
    return Size(
        brokers=int(told["brokers"]),
        controllers=int(told["controllers"]),
        cpus=float(told["cpus"]),
        memory=int(told["memory"]),
        heap=(str(low), str(high)),
        storage=int(told["storage"]),
        source=str(told["source"]),
    )


def read_flags(folder: Path) -> Flags:
    """Return the flags that an export was made with; StackError("no-export") if the folder holds none."""
    try:
        told = json.loads(reading.read_text(folder / FLAGS_FILE))
        return Flags(
            name=str(told["name"]),
            namespace=str(told["namespace"]),
            brokers=int(told["brokers"]),
            controllers=int(told["controllers"]),
            size=told["size"] and _size(told["size"]),
        )
    except (StackError, *reading.NONSENSE) as error:
        raise StackError(
            "no-export",
            f"{folder} holds no export of this project",
            context=f"{FLAGS_FILE}: {getattr(error, 'context', None) or error}",
            hint=f"./invoke export strimzi --out {folder}",
            exit_code=ExitCode.USAGE,
        ) from error


def _kustomizations(parts: Iterable[Manifest], namespace: str) -> Iterator[Manifest]:
    """Yield a kustomization for each folder, so that a team can leave one out, and the one above them."""
    folders: dict[str, list[str]] = {}
    for part in parts:
        folder, _, name = part.file.partition("/")
        if name not in folders.setdefault(folder, []):
            folders[folder].append(name)
    for folder, names in folders.items():
        yield Manifest(f"{folder}/{_KUSTOMIZATION}", _kustomization(sorted(names)))
    root = _kustomization(list(folders)) | {"namespace": namespace}
    yield Manifest(_KUSTOMIZATION, root, {("namespace",): "where the operator watches"})


def _kustomization(names: Sequence[str]) -> dict[str, Any]:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(names)}


def readme(found: Backbone, left: Sequence[LeftOut], namespace: str) -> str:
    """Return the page that goes with an export: how to apply it, what to fill in, what is not in it."""
    place = f"-n {namespace}"
    fill = _to_fill_in(namespace) if found.worker else ()
    lines = [
        f"# {found.name} on Kubernetes",
        "",
        f"Resources for Strimzi {STRIMZI}, made by `./invoke export strimzi`. Compare them with the running stack:",
        "`./invoke export --check .`",
        "",
        "```sh",
        f"kubectl create namespace {namespace}",
        f"# the operator itself: strimzi.io, version {STRIMZI}, watching the namespace {namespace}",
        "kubectl label nodes --all topology.kubernetes.io/zone=z1   # where nodes have no zone: kind, minikube",
        "kubectl apply -k .",
        f"kubectl wait kafka/{found.name} --for=condition=Ready --timeout=600s {place}",
        "```",
        "",
        "`monitoring/` needs the Prometheus operator: without it take the folder out of `kustomization.yaml`.",
        "",
        *(["## To fill in", "", *fill, ""] if fill else []),
        "## What is not here",
        "",
        "| of the stack | there |",
        "|---|---|",
        *(f"| {_cell(each.what)} | {_cell(each.instead)} |" for each in left),
    ]
    return "\n".join(lines) + "\n"


def _to_fill_in(namespace: str) -> tuple[str, ...]:
    secret = f"kubectl create secret generic {connect.SECRETS} -n {namespace} --from-file=postgres_password=…"
    return (
        f"- `connect/kafka-connect.yaml`: every value with `{connect.FILL_IN}`; `maven.` is the Maven repository that",
        "  the cluster may download from, Maven Central for most",
        "- `connect/references.yaml`: where registry and database are",
        f"- the Secret `{connect.SECRETS}`, which is in no file: `{secret}`",
        "- `archive-sink.jar`: `./invoke up` compiles it, `~/.cache/messaging-backbone/plugins/ArchiveSink-*.jar`;",
        "  put it where the cluster can fetch it, and its `sha512sum` beside its URL",
    )


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")
