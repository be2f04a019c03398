"""Build a release of one environment: `BUILD=stage pyinfra inventory.py build.py --limit <build host>`.

In the environment of this process, BUILD names the environment, by default the host's own; REF the branch, tag or revision,
by default main; UNCOMMITTED=1 builds although the working tree has changes, and without them; REBUILD=1 although there is a
build of the revision; FETCH=1 brings the tarball to .releases/<environment>/ here. `python -m commands.build_host stage`
names the host. docs/releases.md tells the rest.
"""

import os

from pyinfra import config, host
from pyinfra.facts.server import LinuxDistribution
from pyinfra.operations import files

from group_data.schema.inventory import machine_of, read_environments
from group_data.schema.paths import RELEASES
from operations.release import artifacts, build, directories, source
from operations.release.choice import choose_build, require_one_environment
from preflight.access import require_sudo

config.SUDO = True
require_one_environment(host.inventory)
require_sudo(host)

environments = read_environments(host.inventory)
target, environment = choose_build(os.environ.get("BUILD"), host, environments)
at_home = machine_of(target) == machine_of(host)
revision = source.take(
    environment.repository,
    environment.environment,
    os.environ.get("REF") or "main",
    uncommitted=os.environ.get("UNCOMMITTED") == "1",
)
linux = host.get_fact(LinuxDistribution)
distribution = f"{linux['name']} {linux['major']}"

build.toolchain(environment)
build.install_program(environment)
if at_home:
    artifacts.store(environment)
    store = environment.artifacts_path
else:
    # What is built for another machine is kept there; from here it is brought to it.
    store = f"{environment.build_path}/artifacts"
    files.directory(name="Build: directory of tarballs", path=store, user="root", group="root", mode="700")
known = build.find_known(environment, revision, store, distribution)
if known and os.environ.get("REBUILD") != "1":
    build.renew(name="Build: tarball", environment=environment, artifact=known, store=store)
else:
    directories.prune_tarballs(name="Build: room for the tarball", environment=environment, store=store, coming=None)
    arrived = build.send_sources(environment, revision)
    build.run(
        name="Build: tarball",
        environment=environment,
        source=revision,
        arrived=arrived,
        store=store,
        distribution=distribution,
    )
if not at_home or os.environ.get("FETCH") == "1":
    build.fetch(
        name="Build: tarball here", environment=environment, store=store, directory=RELEASES / environment.environment
    )
