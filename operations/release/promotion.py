"""Promotion: the tarball that runs in one environment and is good there, for another environment."""

from collections.abc import Sequence

from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from operations.release.artifacts import Artifact
from operations.release.choice import describe
from operations.release.history import GOOD, Releases


def require_same_build(source: Environment, target: Environment) -> None:
    """Refuse a promotion between environments that cannot share a build.

    + source: environment that the release comes from
    + target: environment that gets it

    Raises DeployError.
    """
    here, there = source.environment, target.environment
    if here == there:
        raise DeployError(f"FROM and ENV are both {here}: name two environments. Nothing was changed")
    if source.app != target.app or source.release != target.release:
        raise DeployError(
            f"{here} runs the release {source.release} of {source.app}, and {there} {target.release} of {target.app}: only "
            "environments of one application share a build. Nothing was changed"
        )
    if not (source.secrets_read_at_start and target.secrets_read_at_start):
        raise DeployError(
            f"Distillery builds the secrets of {here} in, so its tarball is for {here} alone: make update ENV={there}. "
            "Nothing was changed"
        )
    if source.built_for != target.built_for:
        raise DeployError(
            f"{here} is built with {source.built_for}, and {there} with {target.built_for}: set the same mix_env for both "
            f"in group_data/all.py to share builds, or make update ENV={there}. Nothing was changed"
        )


def choose(source: Environment, target: Environment, releases: Releases, tarballs: Sequence[Artifact]) -> Artifact:
    """The tarball of the release that runs in an environment and is good there.

    + source: environment that the release comes from
    + target: environment that gets it
    + releases: of the source
    + tarballs: in the store of the source

    Raises DeployError when no such release runs, or when its tarball cannot be used again.
    """
    here, there = source.environment, target.environment
    version = releases.current
    if version is None or version not in releases.present:
        raise DeployError(f"no release runs in {here}, so there is nothing to promote. Nothing was changed")
    if releases.outcome(version) != GOOD:
        raise DeployError(
            f"{version} runs in {here} and is not good there ({describe(releases._replace(current=None), version)}): only "
            "what is good is promoted. Nothing was changed"
        )
    # Root wrote this digest when it unpacked the release.
    found = [tarball for tarball in tarballs if tarball.sha256 == releases.present[version] != ""]
    if not found:
        raise DeployError(
            f"the tarball of {version} is no longer in the store of {here}: make release ENV={there} TARBALL=… if you have "
            f"it elsewhere, or make update ENV={here} and promote that. Nothing was changed"
        )
    if found[0].secrets != "-":
        raise DeployError(
            f"the build of {version} has the secrets of {here} in it, because its configuration imports them: make update "
            f"ENV={there}. Nothing was changed"
        )
    return found[0]
