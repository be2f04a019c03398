"""Release to one environment: `pyinfra inventory.py deploys/release.py --limit stage`.

The variable DEPLOY_VERSION names a version on the host or in .releases/<environment>/, DEPLOY_TARBALL a file on this
computer. Without both, the newest build is released. docs/releases.md describes the steps.

The variable DEPLOY_FROM names an environment of the same machine whose tarballs count too; `make promote` sets it.
"""

from pathlib import Path

from operations import foreign_tables
from operations.host.report import announce
from operations.release import applied, artifacts, directories, history, obstacles, pin, strategy, switch
from operations.release.choice import choose_artifact
from preflight import entry
from preflight.options import option

environment = entry.free_environment()
origin = entry.neighbour(option("FROM"))
present = history.read(environment)
pin.require_running(present.current)
chosen = pin.choice()
path = chosen.get("tarball") or option("TARBALL")
own = artifacts.in_store(environment)
offered = [*own, *(artifacts.in_store(origin) if origin else [])]
artifact, tarball = choose_artifact(
    environment,
    version=chosen.get("version") or option("VERSION"),
    path=Path(path) if path else None,
    # Two environments may each have built a version of one name: what was chosen comes first.
    in_store=sorted(offered, key=lambda offer: offer.sha256 != chosen.get("sha256")),
    present=present,
    here=entry.distribution(),
)
pin.require_artifact(artifact.version, artifact.sha256)
if tarball:
    pin.keep(tarball=str(tarball.path.absolute()))
stored = [(one.version, one.sha256) for one in own]
taken = origin if artifact in offered and (artifact.version, artifact.sha256) not in stored else None
runs = present.current == artifact.version and present.outcome(artifact.version) == history.GOOD
if not runs:
    applied.require(environment)
    obstacles.require_none(environment, obstacles.WEB | obstacles.DISK | obstacles.DATABASE)
    announce(strategy.describe(environment))

if not runs and environment.migrate != "never":
    foreign_tables.tell(environment)
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
    upload=tarball is not None or taken is not None,
    going=present.superfluous(environment.keep_releases, artifact.version),
)
if tarball:
    artifacts.upload(environment, tarball)
elif taken:
    artifacts.take(
        name="Release: tarball in the store", environment=environment, artifact=artifact, store=taken.artifacts_path
    )
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
