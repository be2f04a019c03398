"""Release to one environment: `pyinfra inventory.py release.py --limit stage`.

VERSION in the environment of this process names a version that is on the host or in .releases/<environment>/, TARBALL a
file on this computer; without either it is the newest that was built. docs/releases.md tells what happens.
"""

import os
from pathlib import Path

from pyinfra import config, host
from pyinfra.facts.server import LinuxDistribution

from group_data.schema.inventory import read_environments
from operations.host import lock
from operations.release import artifacts, directories, history, switch
from operations.release.choice import choose_artifact, require_one_environment
from preflight.access import require_sudo

config.SUDO = True
require_one_environment(host.inventory)
require_sudo(host)
lock.require_free()

environment = read_environments(host.inventory)[host.name]
distribution = host.get_fact(LinuxDistribution)
present = history.read(environment)
artifact, tarball = choose_artifact(
    environment,
    version=os.environ.get("VERSION"),
    path=Path(os.environ["TARBALL"]) if os.environ.get("TARBALL") else None,
    in_store=artifacts.in_store(environment),
    present=present,
    here=f"{distribution['name']} {distribution['major']}",
)
runs = present.current == artifact.version and present.outcome(artifact.version) == history.GOOD

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
)
