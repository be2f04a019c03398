"""The time to send a release to the host, beside `scp` of the same file."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench import measure, sites
from bench.cases import PYINFRA, ROUND_TRIPS
from bench.measure import BenchError, Figures, Table, say
from bench.sites import Site
from tests.host.project import Project
from tests.sandbox.machine import boot

# Sizes of releases in MB: without the Erlang runtime, with it, and with old assets.
SIZES = (5, 50, 200)

SCP, OURS, STOCK = "`scp`", "release's upload", "pyinfra's `files.put`"

# Each deploy has one step, which sends the file again.
_SENT = """\
from pathlib import Path
from operations.host import upload
upload.send(name="Upload", src=Path("{file}"), dest="sent", sha256="{random}")
"""
_PUT = """\
from pyinfra.operations import files
files.put(name="Upload", src="{file}", dest="sent")
"""


def measured(directory: Path, vaults: Path, layer: Path, release: str, rounds: int) -> Iterator[Table]:
    """The cost of each size, in tables called "size, round trip". Parameters as for `cases.measured`."""
    with boot(release=release, directory=directory / "machine", layers=[layer]) as machine:
        for round_trip in ROUND_TRIPS:
            with sites.reached(machine, round_trip) as site:
                project = sites.project_of(directory / f"upload-{round_trip}", vaults, [["stage"]])
                sites.lead_to(project, [site])
                for size in SIZES:
                    where = f"{size} MB, {round_trip * 1000:.0f} ms"
                    say(where)
                    yield where, _size(size, site, project, rounds)


def _size(size: int, site: Site, project: Project, rounds: int) -> dict[str, Figures]:
    file = project.path / f"{size}.tar.gz"
    # Like a tarball, it cannot be compressed further.
    file.write_bytes(os.urandom(size * 1_000_000))
    figures = {SCP: Figures(), OURS: Figures(), STOCK: Figures()}
    copy = ["scp", "-q", "-F", str(site.config), str(file), f"{site.machine.name}:scp"]
    for round_ in range(1 + rounds):
        noted = figures if round_ else {name: Figures() for name in figures}
        measure.run(noted[SCP], copy, project.path, {})
        for name, step in ((OURS, _SENT), (STOCK, _PUT)):
            site.machine.run("rm -rf /home/devops/sent")
            (project.path / "deploy.py").write_text(step.format(file=file.name, random=os.urandom(32).hex()))
            noted[name].seconds.append(_step(project))
    file.unlink()
    return figures


def _step(project: Project) -> float:
    """Seconds from the beginning to the end of the deploy's only step, according to pyinfra's output."""
    run = subprocess.Popen(
        [*PYINFRA, "--yes"],
        cwd=project.path,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    began = ended = 0.0
    assert run.stdout
    for line in run.stdout:
        if "Starting operation" in line:
            began = time.monotonic()
        elif "Success" in line:
            ended = time.monotonic()
    if run.wait() or not began or not ended:
        raise BenchError("an upload failed")
    return ended - began
