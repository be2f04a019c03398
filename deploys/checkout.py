"""Bring an application's checkout in step: `DEPLOY_APP=../billing pyinfra @local deploys/checkout.py`.

Variables of this process: DEPLOY_APP is the path of the checkout; DEPLOY_ENV names environments, by default all of them.
docs/application.md describes which files change, and how.
"""

from pathlib import Path

from pyinfra import host, logger

from checkout import compare
from checkout.changes import bring_in_step
from checkout.files import require_inside, with_line_ends_of
from connectors.terminal import shown
from operations.source_file import source_file
from preflight import interruption, noise, screen
from preflight.options import option
from preflight.selection import choose

# Usually inventory.py calls these, but here the inventory is @local.
interruption.end_pyinfra()
noise.silence()
screen.follow_steps(shows_new_files=True)
path = Path(option("APP") or ".").resolve()
environments = choose((option("ENV") or "").split())
read = compare.checkout(path, environments)
changes = bring_in_step(read, environments)

for file, text in changes.items():
    require_inside(path, path / file)
    content = with_line_ends_of(path / file, text)
    source_file(name=file, path=str(path / file), content=content)

for environment in environments:
    for difference in compare.differences(lambda file: changes.get(file, read(file)), environment):
        host.log(f"Yours to mend: {shown(str(difference))}", logger.warning)
