"""Where a cluster stands between two versions: pure values, asked of the brokers themselves each time.

Nothing is written down about an upgrade. What runs, what is finalised and what .env says is all there is, so a task
that was killed anywhere is continued by the next one.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone import clients
from backbone.errors import ExitCode, StackError
from backbone.failover import wire
from backbone.stack import health, kafka_versions
from backbone.upgrade import features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbone.stack.engine.base import Stack
    from backbone.upgrade.features import Features


@dataclass(frozen=True, slots=True)
class Node:
    """A broker: its name, its version by definition ("" if no file says one), its own answer, None if it gives none."""

    name: str
    version: str
    features: Features | None

    @property
    def words(self) -> str:
        """What it runs, for a person."""
        if self.features is None:
            return "does not answer"
        kept = kafka_versions.minor(self.version) == self.features.release
        return self.version if kept else f"{self.features.release}.x"


@dataclass(frozen=True, slots=True)
class Survey:
    """The nodes, the active controller's name ("" if there is none) and the finalised levels."""

    nodes: tuple[Node, ...]
    controller: str
    finalized: Mapping[str, int]

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases that answer, without repetition, oldest first."""
        found = {node.features.release for node in self.nodes if node.features}
        return tuple(sorted(found, key=kafka_versions.numbers))

    @property
    def finalized_release(self) -> str:
        """The release that the finalised metadata.version belongs to."""
        return features.release(self.finalized.get(features.METADATA, 0))

    @property
    def raisable(self) -> dict[str, tuple[int, int]]:
        """Feature → (finalised level, highest level that every node supports), where they differ."""
        answers = [node.features.supported for node in self.nodes if node.features]
        names = set.intersection(*(set(answer) for answer in answers)) if answers else set()
        least = {name: min(answer[name] for answer in answers) for name in sorted(names)}
        return {
            name: (self.finalized.get(name, 0), level)
            for name, level in least.items()
            if level > self.finalized.get(name, 0)
        }

    def behind(self, version: str) -> tuple[Node, ...]:
        """Return the nodes that do not run a version, in the order in which to restart them.

        Who does not answer comes first, because until it does no other may stop; the active controller comes last, so
        that the role moves once.
        """
        wanted = [node for node in self.nodes if not runs(node, version)]
        return tuple(sorted(wanted, key=lambda node: (node.features is not None, node.name == self.controller)))


def runs(node: Node, version: str) -> bool:
    """Tell whether a node runs a version: by its own answer, and by its definition as it was started."""
    if node.features is None or node.features.release != kafka_versions.minor(version):
        return False
    return node.version in ("", version)


def of(stack: Stack) -> Survey:
    """Ask every broker of a stack. Raises StackError("no-broker") if none answers."""
    nodes = tuple(Node(name, _version(stack, name), _answer(at)) for name, at in stack.brokers.items())
    ids = {name: int(stack.model[name].environment["KAFKA_NODE_ID"]) for name in stack.brokers}
    return _survey(nodes, stack.brokers, ids, "./invoke up")


def elsewhere(bootstrap: Sequence[str]) -> Survey:
    """Ask every broker of a cluster that is not ours; they are called as they advertise themselves. Raises as `of`."""
    with clients.admin(bootstrap) as client:
        listed = health.alive(client.describe_cluster()["brokers"])
    ids = {f"{each['host']}:{each['port']}": int(each["broker_id"]) for each in listed}
    nodes = tuple(Node(address, "", _answer(address)) for address in sorted(ids, key=lambda each: ids[each]))
    return _survey(
        nodes, {address: address for address in ids}, ids, "./invoke doctor --bootstrap " + ",".join(bootstrap)
    )


def _survey(nodes: tuple[Node, ...], at: Mapping[str, str], ids: Mapping[str, int], hint: str) -> Survey:
    answers = [(node.features, at[node.name]) for node in nodes if node.features]
    leader = _controller([address for _, address in answers])
    if leader is None:
        raise StackError("no-broker", "no broker answers", hint=hint, exit_code=ExitCode.ENVIRONMENT)
    controller = next((name for name, number in ids.items() if number == leader), "")
    return Survey(nodes, controller, dict(answers[0][0].finalized))


def _version(stack: Stack, name: str) -> str:
    """Return a broker's version as it was started; with Docker the model only has that of the files."""
    return kafka_versions.of(stack.model[name]) if stack.engine.name == "embedded" else ""


def _controller(addresses: Sequence[str]) -> int | None:
    """Return the id of the active controller, -1 without one, None if no broker tells."""
    for address in addresses:
        with suppress(OSError), closing(wire.Connection(address)) as connection:
            return wire.controller(connection)[0]
    return None


def _answer(address: str) -> Features | None:
    try:
        return features.ask(address)
    except OSError:
        return None


def previous(found: Survey, known: Sequence[str], wanted: str) -> str:
    """Return the version that an upgrade can still go back to: the newest known one of the finalised release.

    wanted: what the files say, which a killed upgrade may have changed before any node.
    Raises StackError("finalized") if the nodes run that release already, and so nothing older takes this data.
    """
    fits = [version for version in known if kafka_versions.minor(version) == found.finalized_release]
    if not fits or {*found.releases, kafka_versions.minor(wanted)} == {found.finalized_release}:
        raise StackError(
            "finalized",
            f"the data is finalised at Kafka {found.finalized_release}; no older program takes it",
            context=f"{features.METADATA} {found.finalized.get(features.METADATA, 0)}",
            hint="only a snapshot leads back\n./invoke snapshot list",
            exit_code=ExitCode.FINDINGS,
        )
    return fits[-1]
