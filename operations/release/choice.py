"""Chooses the version for a release or a rollback, and the place of its tarball."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from group_data.schema.paths import RELEASES
from group_data.schema.problem import no_environment
from operations.release import tarball
from operations.release.artifacts import Artifact
from operations.release.history import DAMAGED, ENDED, FAILED, GOOD, LEFT, Releases
from operations.release.tarball import Tarball


def require_one_environment(inventory: Inventory) -> None:
    """Refuse a run over several environments, because a release is for one.

    + inventory: of the run

    Raises DeployError.
    """
    names = [host.name for host in inventory if inventory.state.is_host_in_limit(host)]
    if len(names) > 1:
        raise DeployError(
            f"this command is for one environment, and the run has {', '.join(names)}: choose one with --limit {names[0]} "
            f"or ENV={names[0]}. Nothing was changed"
        )


def choose_build(name: str | None, host: Host, environments: Mapping[str, Environment]) -> tuple[Host, Environment]:
    """The inventory host and environment a build is for.

    + name: of the environment; None or empty for the host's own
    + host: the build host
    + environments: all of them, by host name

    Raises DeployError when there is no such environment, or when it is built on another host.
    """
    found = [
        (host.inventory.get_host(target), environment)
        for target, environment in environments.items()
        if environment.environment == (name or environments[host.name].environment)
    ]
    if not found:
        known = [environment.environment for environment in environments.values()]
        raise DeployError(f"BUILD={name}: {no_environment(name or '', known)}. Nothing was changed")
    target, environment = found[0]
    builder = environment.build_host or target.name
    if builder != host.name:
        raise DeployError(
            f"{environment.environment} is built on {builder}, not on {host.name}: --limit {builder}. Nothing was changed"
        )
    return target, environment


def choose_artifact(
    environment: Environment,
    *,
    version: str | None,
    path: Path | None,
    in_store: Sequence[Artifact],
    present: Releases,
    here: str,
) -> tuple[Artifact, Tarball | None]:
    """The tarball to release, and the file to upload; None if the tarball is on the host already.

    + version: given by the operator; None for the newest build
    + path: of a tarball, given by the operator
    + in_store: tarballs in the host's store, the newest first
    + present: releases on the host
    + here: the host's distribution, such as Debian 13

    Raises DeployError or TarballError when there is no such tarball, or when it cannot be released there.
    """
    artifact, file = _found(environment, version, path, in_store, present)
    if artifact.distribution not in ("-", here):
        raise DeployError(
            f"{artifact.version} was built on {artifact.distribution} and the host of {environment.environment} runs "
            f"{here}: its programs would not find their libraries. Build it on {here}. Nothing was changed"
        )
    if artifact.built_for not in ("-", environment.built_for):
        raise DeployError(
            f"{artifact.version} was built with {artifact.built_for}, and {environment.environment} is built with "
            f"{environment.built_for}: make build ENV={environment.environment}. Nothing was changed"
        )
    other = present.present.get(artifact.version, artifact.sha256) != artifact.sha256
    # A damaged release is brought again, also the running one.
    if (
        other
        and artifact.version not in present.damaged
        and (present.current == artifact.version or present.was_good(artifact.version))
    ):
        raise DeployError(
            f"{artifact.version} is on the host already, with other content: give the new build a version of its own. "
            "Nothing was changed"
        )
    return artifact, file


def _found(
    environment: Environment,
    version: str | None,
    path: Path | None,
    in_store: Sequence[Artifact],
    present: Releases,
) -> tuple[Artifact, Tarball | None]:
    if path:
        file = tarball.read(path)
        if version and _meant(version, [file.version]) != file.version:
            raise DeployError(f"TARBALL={path} holds {file.version}, not VERSION={version}. Nothing was changed")
        return _uploaded(file, in_store)
    builds = _builds(environment)
    newest = next(iter(builds.values()), None)
    if version:
        return _of_version(environment, version, in_store, present, builds)
    if environment.build_host and newest:
        return _uploaded(tarball.read(newest), in_store)
    if in_store:
        return in_store[0], None
    if newest:
        return _uploaded(tarball.read(newest), in_store)
    raise DeployError(
        f"nothing was built for {environment.environment} yet: `make build ENV={environment.environment}`, or name a file "
        f"with TARBALL=. Nothing was changed"
    )


def _of_version(
    environment: Environment, version: str, in_store: Sequence[Artifact], present: Releases, builds: Mapping[str, Path]
) -> tuple[Artifact, Tarball | None]:
    names = list(dict.fromkeys([*(artifact.version for artifact in in_store), *builds, *present.present]))
    version = _meant(version, names)
    for artifact in in_store:
        if artifact.version == version:
            return artifact, None
    if version in builds:
        return _uploaded(tarball.read(builds[version]), in_store)
    if digest := present.present.get(version):
        return Artifact(version, digest, 0), None
    raise DeployError(
        f"there is no version {version} for {environment.environment}; there are: {', '.join(names) or 'none'}. Nothing was "
        "changed"
    )


def _meant(version: str, names: Sequence[str]) -> str:
    """The one version that a version without its stamp can mean, such as 0.2.0+20261122-main-6bfed7e for 0.2.0."""
    stamped = [name for name in names if name.startswith(f"{version}+")]
    return stamped[0] if len(stamped) == 1 and version not in names else version


def _builds(environment: Environment) -> dict[str, Path]:
    """The tarballs on this computer by version, the newest first."""
    files = sorted(
        (RELEASES / environment.environment).glob("*.tar.gz"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    return {version: file for file in files if (version := environment.version_of(file.name))}


def _uploaded(file: Tarball, in_store: Sequence[Artifact]) -> tuple[Artifact, Tarball | None]:
    artifact = Artifact(
        file.version,
        file.sha256,
        file.size,
        file.built("revision"),
        file.built("distribution"),
        file.built("built_for"),
    )
    known = any((other.version, other.sha256) == (file.version, file.sha256) for other in in_store)
    return artifact, None if known else file


def choose_rollback(environment: Environment, version: str | None, present: Releases) -> str:
    """The release for a rollback.

    + environment: of the rollback
    + version: given by the operator; None or empty for the newest good one before the running one
    + present: releases on the host

    Raises DeployError with the list of releases when there is no such release, or when it runs already.
    """
    target = _meant(version, list(present.present)) if version else present.fallback()
    there = "\n".join(f"  {name} ({describe(present, name)})" for name in present.newest_first()) or "  none"
    if not target:
        problem = "there is no good release before the running one"
    elif target not in present.present:
        problem = f"there is no release {target} on the host"
    elif target == present.current:
        problem = f"{target} runs already"
    elif target in present.damaged:
        problem = f"the files of {target} are damaged, and make release VERSION={target} brings them again"
    else:
        return target
    raise DeployError(
        f"{environment.environment}: {problem}. VERSION= names one of these:\n{there}\nNothing was changed"
    )


def read_migration(version: str | None) -> str | None:
    """The first migration to take back, with all later ones of its repo; None if no migration is given.

    + version: given by the operator: a number, with a repo before it where two repos have it, Billing.Audit:20260101000000

    Raises DeployError when it is not the version of a migration.
    """
    if version and not re.fullmatch(r"([A-Z][A-Za-z0-9_.]*:)?[0-9]+", version):
        raise DeployError(f"the version of a migration is a number: {version} is none. Nothing was changed")
    return version or None


def describe(present: Releases, version: str) -> str:
    """The state of a release, for people.

    + present: releases on the host
    + version: of the release
    """
    if version == present.current and version not in present.damaged:
        return "runs"
    outcome = present.outcome(version)
    if outcome == FAILED and present.was_good(version):
        return "good once, failed since"
    words = {
        GOOD: "good",
        LEFT: "good once, gone back from",
        FAILED: "failed",
        ENDED: "ended without a verdict",
        DAMAGED: "damaged: its files are not those of its tarball",
    }
    return words.get(outcome, "never released")
