"""Migrate the database with the running release: `pyinfra inventory.py deploys/migrate.py --limit stage`.

DEPLOY_MIGRATE_DOWN in the environment of this process, a migration's version, takes that migration and all after it back
instead.
"""

from operations.release import choice, history, pin, switch
from preflight import entry
from preflight.options import option

environment = entry.one_environment()
present = history.read(environment)
pin.require_running(present.current)
migration = choice.read_migration(option("MIGRATE_DOWN"))

switch.prepare(environment, what=f"migration of {environment.environment}")
switch.run(
    name=f"Migrate: down to {migration}" if migration else "Migrate: what is pending",
    environment=environment,
    action=["migrate-down", migration] if migration else ["migrate"],
    summary=f"Will take back migrations of {environment.environment} down to {migration}, after a backup"
    if migration
    else f"Will migrate the database of {environment.environment}, after a backup, if a migration is pending",
    before=present.current or pin.NOTHING,
)
