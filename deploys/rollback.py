"""Go back in one environment: `pyinfra inventory.py rollback.py --limit stage`.

VERSION in the environment of this process names the release to go back to; without it, it is the newest good one before
the running one. MIGRATE_DOWN, a migration's version, has the running release take back that migration and all after it.
"""

import os

from pyinfra import config, host

from group_data.schema.inventory import read_environments
from operations.host import lock
from operations.release import choice, history, switch
from preflight.access import require_sudo

config.SUDO = True
choice.require_one_environment(host.inventory)
require_sudo(host)
lock.require_free()

environment = read_environments(host.inventory)[host.name]
present = history.read(environment)
version = choice.choose_rollback(environment, os.environ.get("VERSION"), present)
migration = choice.read_migration(os.environ.get("MIGRATE_DOWN"))

switch.prepare(environment, what=f"rollback of {environment.environment}")
switch.run(
    name=f"Rollback: {version} runs",
    environment=environment,
    action=["rollback", version, *([migration] if migration else [])],
    summary=f"Will go back to {version} in {environment.environment}, where {present.current} runs now"
    + (f", and take back migrations down to {migration} first" if migration else ""),
)
