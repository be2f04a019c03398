"""The tarball that a promotion takes, and the reasons against one."""

from typing import Any

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from operations.release import promotion
from operations.release.artifacts import Artifact
from operations.release.history import Releases
from tests.unit.conftest import STAGE
from tests.unit.operations.test_releases import host


def environment(**settings: Any) -> Environment:
    return Environment.model_validate(STAGE | {"mix_env": "prod"} | settings)


SOURCE = environment()
TARGET = environment(environment="prod", port=4000, domain="billing.example.com")


def tarball(version: str, **facts: str) -> Artifact:
    return Artifact(version, facts.pop("sha256", f"sha-{version}"), 1, **facts)


@pytest.mark.parametrize(
    ("releases", "version"),
    [(host("+1 +2"), "2"), (host("+1 +2 <2 =1"), "1"), (host("+1 +2 -3"), "2")],
)
def test_what_runs_and_is_good_is_taken(releases: Releases, version: str) -> None:
    promotion.require_same_build(SOURCE, TARGET)
    stored = [tarball("2", sha256="of another build"), tarball("3"), tarball("2"), tarball("1")]
    assert promotion.choose(SOURCE, TARGET, releases, stored) == tarball(version)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "FROM and ENV are both stage: name two environments"),
        (
            {"environment": "prod", "mix_env": "other"},
            "stage is built with MIX_ENV=prod, and prod with MIX_ENV=other: set the same mix_env for both in "
            "group_data/all.py to share builds, or make update ENV=prod",
        ),
        (
            {"environment": "prod", "deployment_config": "prod"},
            "stage is built with MIX_ENV=prod, and prod with MIX_ENV=prod DE",
        ),
        (
            {"environment": "prod", "release_name": "other"},
            "stage runs the release billing of billing, and prod other of ",
        ),
        (
            {"environment": "prod", "app": "other"},
            "stage runs the release billing of billing, and prod other of other: ",
        ),
        (
            {"environment": "prod", "release_tool": "distillery"},
            "Distillery builds the secrets of stage in, so its tarball is ",
        ),
    ],
)
def test_environments_that_share_no_build(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(DeployError, match="Nothing was changed") as refused:
        promotion.require_same_build(SOURCE, environment(**settings))
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    ("releases", "stored", "reason"),
    [
        (host(""), [tarball("1")], "no release runs in stage, so there is nothing to promote"),
        (host("+1", present="", current="1"), [tarball("1")], "no release runs in stage"),
        (
            host("+1 -2", current="2"),
            [tarball("2")],
            "2 runs in stage and is not good there (failed): only what is good is",
        ),
        (
            host("+1", present="1 2", current="2"),
            [tarball("2")],
            "2 runs in stage and is not good there (never released): ",
        ),
        (
            host("+1 !2", current="2"),
            [tarball("2")],
            "2 runs in stage and is not good there (ended without a verdict): ",
        ),
        (host("+1"), [], "the tarball of 1 is no longer in the store of stage: "),
        (
            host("+1"),
            [tarball("1", sha256="of another build")],
            "the tarball of 1 is no longer in the store of stage: ",
        ),
        (
            host("+1"),
            [tarball("1", secrets="built in")],
            "the build of 1 has the secrets of stage in it, because its config",
        ),
    ],
)
def test_what_is_not_promoted(releases: Releases, stored: list[Artifact], reason: str) -> None:
    with pytest.raises(DeployError, match="Nothing was changed") as refused:
        promotion.choose(SOURCE, TARGET, releases, stored)
    assert str(refused.value).startswith(reason)


def test_a_release_without_a_noted_checksum_matches_no_tarball() -> None:
    releases = host("+1")._replace(present={"1": ""})
    with pytest.raises(DeployError, match="no longer in the store"):
        promotion.choose(SOURCE, TARGET, releases, [tarball("1", sha256="")])
