import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.host import ordered, pebble, releases, remembered
from tests.host.partial import with_steps
from tests.host.project import CHECKOUT, EXAMPLE, PARTS, Project
from tests.sandbox.cache import kept
from tests.sandbox.image import image
from tests.sandbox.machine import Machine, boot
from tests.sandbox.vaults import make_vaults

# A shell without job control lets background jobs ignore Ctrl-C. The tests and all their processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

RELEASES = ["trixie", "bookworm"]

# For tests that do not depend on the release: processor time is scarce.
TRIXIE, BOOKWORM = (
    pytest.mark.parametrize("release", [release], indirect=True, scope="session") for release in RELEASES
)


@dataclass(frozen=True)
class Prepared:
    """The disk of a machine to which the committed group data was applied.

    + release: trixie or bookworm
    + layer: for `boot(layers=…)`
    + vaults: secrets of the apply
    + remembered: for `remembered.give`: what a plan and an apply ask it
    + planned: steps of a plan for the bare machine
    + applied: steps of the apply after it
    """

    release: str
    layer: Path
    vaults: Path
    remembered: Path
    planned: dict[str, list[str]]
    applied: dict[str, list[str]]


@dataclass(frozen=True)
class Host:
    """A machine and the repository that deploys to it."""

    machine: Machine
    project: Project


@pytest.fixture(scope="session")
def vaults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Throwaway secrets of stage and prod."""
    directory = tmp_path_factory.mktemp("vaults") / "vault"
    make_vaults(directory, ["stage", "prod"])
    return directory


@pytest.fixture(scope="session", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each supported release of Debian."""
    return str(request.param)


@pytest.fixture(scope="session")
def prepared(release: str) -> Prepared:
    """A machine after its first apply. Each module of tests starts from a copy of its disk."""
    return prepare(release)


def prepare(release: str) -> Prepared:
    """The same without pytest.

    + release: trixie or bookworm
    """

    def make(directory: Path) -> None:
        make_vaults(directory / "vaults", ["stage", "prod"])
        project = Project.copy(directory / "project", directory / "vaults")
        with boot(release=release, directory=project.sandbox) as machine:
            planned = project.planned()
            assert "billing" not in machine.run("ls /home /var /etc/nginx 2>&1", check=False).stdout, (
                "a plan changed something"
            )
            applied = project.applied()
            # For their questions: those of a bare machine are others.
            project.planned()
            project.applied()
            remembered.keep(project.path, directory / "remembered")
            subprocess.run(["cp", "--archive", machine.snapshot(), directory / "layer"], check=True)
        (directory / "changes.json").write_text(json.dumps({"planned": planned, "applied": applied}))

    sources = [CHECKOUT / part for part in PARTS]
    makers = [EXAMPLE, CHECKOUT / "tests/sandbox", Path(remembered.__file__)]
    directory = kept("prepared", [release, image(release).name, *sources, *makers], make)
    changes = json.loads((directory / "changes.json").read_text())
    return Prepared(release, directory / "layer", directory / "vaults", directory / "remembered", **changes)


@pytest.fixture(scope="module")
def host(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A prepared machine that all tests of one module share, with their changes."""
    project = Project.copy(tmp_path_factory.mktemp("host") / "project", prepared.vaults)
    remembered.give(prepared.remembered, project.path)
    with boot(release=prepared.release, directory=project.sandbox, layers=[prepared.layer]) as machine:
        yield Host(machine, project)


@pytest.fixture(scope="module")
def sites(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The module's machine, and a repository whose deploy.py has only the steps of sites."""
    debian = 13 if host.machine.release == "trixie" else 12
    steps = [
        "provided_files.require(environment)",
        'nginx.long_server_names(name="Machine: server names of any length")',
        f"site.nginx_site(environment, secrets, {debian})",
    ]
    return Host(host.machine, with_steps(host.project, tmp_path_factory.mktemp("sites") / "project", *steps))


@pytest.fixture(scope="module")
def named(host: Host) -> Iterator[Host]:
    """A machine with an authority beside it, whose prod wants a certificate."""
    pebble.put_packages(host.machine)
    with pebble.authority(host.machine):
        host.project.edit("prod", **ordered.SETTINGS)
        yield host


@pytest.fixture(scope="session")
def tarballs(release: str) -> dict[str, Path]:
    """Mix releases of the example application by environment."""
    sources: list[Path | str] = [
        release,
        image(release, "elixir").name,
        CHECKOUT / "examples/billing",
        releases.SEED,
        Path(releases.__file__),
    ]

    def make(directory: Path) -> None:
        releases.build(release, directory)

    directory = kept("tarballs", sources, make)
    return {
        environment: directory / environment / f"billing-{releases.VERSION}.tar.gz" for environment in releases.NAMES
    }


@pytest.fixture(scope="module")
def running(host: Host, tarballs: dict[str, Path]) -> Host:
    """The module's machine with both environments released and serving."""
    for environment, tarball in tarballs.items():
        releases.install(host.machine, environment, tarball)
        releases.start(host.machine, environment)
    return host


@pytest.fixture
def restored(host: Host) -> Iterator[Host]:
    """The machine for a test that edits group data. Afterwards data and machine are as before."""
    group_data = host.project.path / "group_data"
    saved = {path: path.read_text() for path in group_data.glob("*.py")}
    yield host
    for path in group_data.glob("*.py"):
        if path in saved:
            path.write_text(saved[path])
        else:
            path.unlink()
    host.project.apply().require_success()
