"""Release to one environment: `pyinfra inventory.py deploys/release.py --limit stage`.

The variable DEPLOY_VERSION names a version on the host or in .releases/<environment>/, DEPLOY_TARBALL a file on this
computer. Without both, the newest build is released. docs/releases.md describes the steps.
"""

from pathlib import Path

from operations.release import applied, artifacts, directories, history, pin, switch
from operations.release.choice import choose_artifact
from preflight import entry
from preflight.options import option

environment = entry.free_environment()
present = history.read(environment)
pin.require_running(present.current)
chosen = pin.choice()
path = chosen.get("tarball") or option("TARBALL")
artifact, tarball = choose_artifact(
    environment,
    version=chosen.get("version") or option("VERSION"),
    path=Path(path) if path else None,
    in_store=artifacts.in_store(environment),
    present=present,
    here=entry.distribution(),
)
pin.require_artifact(artifact.version, artifact.sha256)
if tarball:
    pin.keep(tarball=str(tarball.path.absolute()))
runs = present.current == artifact.version and present.outcome(artifact.version) == history.GOOD
if not runs:
    applied.require(environment)

switch.prepare(environment, what=f"release of {environment.environment}")
directories.prune(name="Release: room for it", environment=environment, coming=artifact.version)
directories.prune_tarballs(
    name="Release: room for its tarball",
    environment=environment,
    store=environment.artifacts_path,
    coming=artifact.version,
)
artifacts.require_space(
    environment,
    artifact,
    upload=tarball is not None,
    going=present.superfluous(environment.keep_releases, artifact.version),
)
if tarball:
    artifacts.upload(environment, tarball)
directories.unpack(name="Release: unpacked", environment=environment, artifact=artifact)
switch.run(
    name=f"Release: {artifact.version} runs",
    environment=environment,
    action=["release", artifact.version],
    revision=artifact.revision,
    summary=f"{artifact.version} runs already"
    if runs
    else f"Will release {artifact.version} to {environment.environment}, where {present.current or 'nothing'} runs now",
    needed=not runs,
    before=present.current or pin.NOTHING,
)
