"""Migrate the database with the running release: `pyinfra inventory.py deploys/migrate.py --limit stage`.

If the variable DEPLOY_MIGRATE_DOWN holds a migration's version, this takes back that migration and all later ones instead.
"""

from operations.host.report import announce
from operations.release import choice, history, migrations, obstacles, pin, switch
from preflight import entry
from preflight.options import option

environment = entry.one_environment()
present = history.read(environment)
pin.require_running(present.current)
migration = choice.read_migration(option("MIGRATE_DOWN"))
listed = migrations.of_node(environment)
obstacles.require_none(environment, obstacles.DISK | obstacles.DATABASE)
idle = not migration and migrations.none_is_pending(listed)
if migration:
    migrations.require_applied(listed, migration)
if idle:
    announce("No migration is pending")

switch.prepare(environment, what=f"migration of {environment.environment}")
switch.run(
    name=f"Migrate: down to {migration}" if migration else "Migrate: what is pending",
    environment=environment,
    action=["migrate-down", migration] if migration else ["migrate"],
    summary=f"Will take back migrations of {environment.environment} down to {migration}, after a backup"
    if migration
    else f"Will migrate the database of {environment.environment}, after a backup, if a migration is pending",
    needed=not idle,
    before=present.current or pin.NOTHING,
)
