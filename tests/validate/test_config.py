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
