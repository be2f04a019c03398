"""Go back in one environment: `pyinfra inventory.py deploys/rollback.py --limit stage`.

The variable DEPLOY_VERSION names the release to go back to; the default is the newest good one before the running one. If
DEPLOY_MIGRATE_DOWN holds a migration's version, the running release first takes back that migration and all later ones.
"""

from operations.host.report import announce
from operations.release import applied, choice, history, migrations, obstacles, pin, strategy, switch
from preflight import entry
from preflight.options import option

environment = entry.free_environment()
present = history.read(environment)
pin.require_running(present.current)
version = choice.choose_rollback(environment, pin.choice().get("version") or option("VERSION"), present)
migration = choice.read_migration(option("MIGRATE_DOWN"))
if migration:
    migrations.require_applied(migrations.of_node(environment), migration)
pin.keep(version=version)
applied.require(environment)
obstacles.require_none(environment, obstacles.WEB | obstacles.DISK)
announce(strategy.describe(environment))

switch.prepare(environment, what=f"rollback of {environment.environment}")
switch.run(
    name=f"Rollback: {version} runs",
    environment=environment,
    action=["rollback", version, *([migration] if migration else [])],
    summary=f"Will go back to {version} in {environment.environment}, where {present.current} runs now"
    + (f", and take back migrations down to {migration} first" if migration else ""),
    before=present.current or pin.NOTHING,
)
