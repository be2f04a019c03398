"""Go back in one environment: `pyinfra inventory.py deploys/rollback.py --limit stage`.

DEPLOY_VERSION in the environment of this process names the release to go back to; without it, it is the newest good one
before the running one. DEPLOY_MIGRATE_DOWN, a migration's version, has the running release take back that migration and all
after it.
"""

from operations.release import choice, history, pin, switch
from preflight import entry
from preflight.options import option

environment = entry.free_environment()
present = history.read(environment)
pin.require_running(present.current)
version = choice.choose_rollback(environment, pin.choice().get("version") or option("VERSION"), present)
migration = choice.read_migration(option("MIGRATE_DOWN"))
pin.keep(version=version)

switch.prepare(environment, what=f"rollback of {environment.environment}")
switch.run(
    name=f"Rollback: {version} runs",
    environment=environment,
    action=["rollback", version, *([migration] if migration else [])],
    summary=f"Will go back to {version} in {environment.environment}, where {present.current} runs now"
    + (f", and take back migrations down to {migration} first" if migration else ""),
    before=present.current or pin.NOTHING,
)
