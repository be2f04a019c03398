"""Migrate the database with the running release: `pyinfra inventory.py migrate.py --limit stage`.

MIGRATE_DOWN in the environment of this process, a migration's version, takes that migration and all after it back instead.
"""

import os

from pyinfra import config, host

from group_data.schema.inventory import read_environments
from operations import choice, switch
from tools.access import require_sudo

config.SUDO = True
choice.require_one_environment(host.inventory)
require_sudo(host)

environment = read_environments(host.inventory)[host.name]
migration = choice.migration(os.environ.get("MIGRATE_DOWN"))

switch.prepared(environment, what=f"migration of {environment.environment}")
switch.switched(
    name=f"Migrate: down to {migration}" if migration else "Migrate: what is pending",
    environment=environment,
    action=["migrate-down", migration] if migration else ["migrate"],
    summary=f"Will take back migrations of {environment.environment} down to {migration}, after a backup"
    if migration
    else f"Will migrate the database of {environment.environment}, after a backup, if a migration is pending",
)
