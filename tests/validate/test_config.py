"""Compose itself on every subset of the profiles: what is started together must resolve, and say nothing."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from backbone.stack import compose
from backbone.stack.settings import Settings

SETTINGS = Settings(environ={})
PROFILES = compose.load(SETTINGS, ["*"]).profiles
SUBSETS = list(chain.from_iterable(combinations(PROFILES, size) for size in range(len(PROFILES) + 1)))


@pytest.mark.parametrize("profiles", SUBSETS, ids="+".join)
def test_a_subset_of_the_profiles_resolves(profiles: tuple[str, ...]) -> None:
    env_file = SETTINGS.env_example
    done = compose.config(SETTINGS.compose_file, profiles=profiles, env_file=env_file, environ={}, options=["--quiet"])
    assert (done.returncode, done.stderr) == (0, "")


def test_the_standard_profiles_resolve_by_the_variable_too() -> None:
    chosen = {"COMPOSE_PROFILES": ",".join(compose.PROFILES)}
    done = compose.config(SETTINGS.compose_file, env_file=SETTINGS.env_example, environ=chosen, options=["--quiet"])
    assert (done.returncode, done.stderr) == (0, "")


def test_the_messaging_profile_exists() -> None:
    assert "messaging" in PROFILES


@pytest.mark.parametrize("security", ["plaintext", "secure"])
def test_the_lite_stack_is_one_node_that_names_no_other(security: str) -> None:
    """What STACK_SIZE=lite merges over the files leaves nothing of the other two, and Connect out."""
    whole, lite = (
        compose.load(Settings(environ={"STACK_SIZE": size, "KAFKA_SECURITY": security}), ["*"])
        for size in ("three", "lite")
    )
    assert set(lite.services) < set(whole.services)
    assert {name for name, one in lite.services.items() if "KAFKA_NODE_ID" in one.environment} == {"kafka-1"}
    assert "kafka-connect" not in lite.services
    for service in lite.services.values():
        said = {name: value for name, value in service.environment.items() if name != "KAFKA_SUPER_USERS"}
        named = [*said.values(), *service.depends_on]
        assert not [text for text in named if "kafka-2" in text or "kafka-3" in text], service.name
    node = lite["kafka-1"]
    copies = {name: value for name, value in node.environment.items() if "FACTOR" in name or "MIN_I" in name}
    assert len(copies) == 7
    assert set(copies.values()) == {"1"}
    assert {mount.source for mount in node.mounts}.isdisjoint(mount.source for mount in whole["kafka-1"].mounts)
