"""The users of leases: what is taken when they end, and what stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from backbone.leases import login
from backbone.security import access, users
from backbone.security.access import Change, Rule
from backbone.security.layout import Secrets
from tests.unit.security.test_access import Cluster as Rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MINE, THEIRS = "lease-0123456789ab", "lease-ba9876543210"


@dataclass
class Cluster(Rules):
    """Knows users, too."""

    users: set[str] = field(default_factory=set)

    def describe_user_scram_credentials(self) -> dict[str, Any]:
        return dict.fromkeys(self.users)

    def alter_user_scram_credentials(self, given: Sequence[Any]) -> dict[str, str | None]:
        said = {one.user: None if one.user in self.users else "it does not exist" for one in given}
        self.users -= said.keys()
        return said


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    """The files of three users; the cluster knows another one."""
    made = Secrets(tmp_path)
    for name in (MINE, THEIRS, "app"):
        users.write(made, name, ["127.0.0.1:9092"])
    return made


def test_a_lease_takes_its_user_along_and_no_other(secrets: Secrets) -> None:
    cluster = Cluster(users={MINE, THEIRS, "app", "lease-somebody"})
    rules = {name: Rule(name, "topic", f"{name}-", "prefixed", "all") for name in (MINE, THEIRS, "app")}
    access.apply(cluster, [Change("allow", rule) for rule in rules.values()])
    assert login.remove(cluster, secrets, lambda prefix: prefix == MINE) == [MINE]
    assert cluster.users == {THEIRS, "app", "lease-somebody"}
    assert {rule.user for rule in access.describe(cluster)} == {THEIRS, "app"}
    assert not secrets.password(MINE).exists()
    assert not secrets.properties(MINE).exists()
    assert secrets.password(THEIRS).exists()


def test_the_files_of_one_that_was_killed_before_the_cluster_knew_it_go(secrets: Secrets) -> None:
    cluster = Cluster(users={"app"})
    assert login.remove(cluster, secrets, bool) == [MINE, THEIRS]
    assert sorted(file.name for file in secrets.folder.glob("users/*")) == ["app.password", "app.properties"]
