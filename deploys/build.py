"""Build a release of one environment: `DEPLOY_BUILD=stage pyinfra inventory.py deploys/build.py --limit <build host>`.

Variables of this process:

+ DEPLOY_BUILD: environment, by default the host's own
+ DEPLOY_REF: branch, tag or revision, by default main
+ DEPLOY_UNCOMMITTED=1: build even if the working tree has changes; they are left out
+ DEPLOY_REBUILD=1: build even if there is a build of the revision
+ DEPLOY_VERBOSE=1: show all that the compiler and the other commands of the build say
+ DEPLOY_FETCH=1: fetch the tarball to .releases/<environment>/ on this computer

`python -m commands.build_host stage` names the host. docs/releases.md describes the rest.
"""

from pyinfra import host
from pyinfra.api.exceptions import DeployError
from pyinfra.operations import files

from checkout import requirement
from group_data.schema.inventory import machine_of
from group_data.schema.paths import RELEASES
from operations.release import artifacts, build, build_access, directories, obstacles, pin, source, toolchain
from operations.release.choice import choose_build
from preflight import entry
from preflight.options import option

entry.one_environment()
target, environment = choose_build(option("BUILD"), host, entry.environments())
at_home = machine_of(target) == machine_of(host)
revision = source.take(
    environment.repository,
    environment.environment,
    option("REF") or source.MAIN.rpartition("/")[2],
    uncommitted=option("UNCOMMITTED") == "1",
)
distribution = entry.distribution()
mix_exs = requirement.from_archive(revision.archive, environment.build_directory or ".")
elixir = toolchain.elixir(environment, distribution)
if elixir and (asked := requirement.unmet(mix_exs, environment, elixir[0])):
    raise DeployError(
        f"{asked.file} of {revision.revision[:7]} asks for Elixir {asked.value}, and {environment.environment} would be "
        f"built with {elixir[0]} ({elixir[1]}): set elixir_version in group_data to one that matches, and make toolchain "
        f"ENV={environment.environment} shows what else to write. Nothing was changed."
    )
access = build_access.Access(environment)

toolchain.install(environment, distribution)
build.user(environment)
build.install_program(environment)
if at_home:
    artifacts.store(environment)
    store = environment.artifacts_path
else:
    # A build for another machine stays on the build host. A release sends it from this computer.
    store = environment.build_store_path
    files.directory(name="Build: directory of tarballs", path=store, user="root", group="root", mode="700")
anew = option("REBUILD") == "1"
known = None if anew else build.find_known(environment, revision, store, distribution)
elsewhere = None
if not (known or anew):
    elsewhere = build.find_elsewhere(environment, entry.neighbours(environment), revision, store, distribution)
result = build.Result(known.version if known else elsewhere[0].version if elsewhere else "")
if known:
    pin.keep(version=known.version, sha256=known.sha256)
    build.renew(name="Build: tarball", environment=environment, artifact=known, store=store)
elif elsewhere:
    pin.keep(version=elsewhere[0].version, sha256=elsewhere[0].sha256)
    directories.prune_tarballs(name="Build: room for the tarball", environment=environment, store=store, coming=None)
    build.take(environment, *elsewhere, into=store)
else:
    obstacles.require_none(environment, obstacles.DISK, [environment.build_path, store])
    directories.prune_tarballs(name="Build: room for the tarball", environment=environment, store=store, coming=None)
    arrived = build.send_sources(environment, revision)
    build.run(
        name="Build: tarball",
        environment=environment,
        source=revision,
        arrived=arrived,
        store=store,
        distribution=distribution,
        result=result,
        access=access,
        verbose=option("VERBOSE") == "1",
    )
if not at_home or option("FETCH") == "1":
    build.fetch(
        name="Build: tarball here",
        environment=environment,
        store=store,
        directory=RELEASES / environment.environment,
        result=result,
    )
