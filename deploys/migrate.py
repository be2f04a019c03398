"""Migrate the database with the running release: `pyinfra inventory.py migrate.py --limit stage`.

MIGRATE_DOWN in the environment of this process, a migration's version, takes that migration and all after it back instead.
"""

import os

from pyinfra import config, host

from group_data.schema.inventory import read_environments
from operations.release import choice, switch
from preflight.access import require_sudo

config.SUDO = True
choice.require_one_environment(host.inventory)
require_sudo(host)

environment = read_environments(host.inventory)[host.name]
migration = choice.read_migration(os.environ.get("MIGRATE_DOWN"))

switch.prepare(environment, what=f"migration of {environment.environment}")
switch.run(
    name=f"Migrate: down to {migration}" if migration else "Migrate: what is pending",
    environment=environment,
    action=["migrate-down", migration] if migration else ["migrate"],
    summary=f"Will take back migrations of {environment.environment} down to {migration}, after a backup"
    if migration
    else f"Will migrate the database of {environment.environment}, after a backup, if a migration is pending",
)
