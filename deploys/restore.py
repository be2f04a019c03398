"""Restore a dump of the database: `pyinfra inventory.py deploys/restore.py --limit stage`.

The variable DEPLOY_DUMP names the dump. It goes into a new database, which takes the place of the old one.
"""

from operations.host.report import announce
from operations.release import dumps, history, obstacles, pin, switch
from preflight import entry
from preflight.options import option

environment = entry.free_environment()
# It stops the application, writes, and starts it again.
obstacles.require_none(environment, obstacles.WEB | obstacles.DISK | obstacles.DATABASE)
present = history.read(environment)
pin.require_running(present.current)
there = dumps.read(environment)
dump = dumps.choose(environment, pin.choice().get("dump") or option("DUMP") or "", there.dumps)
dumps.require_planned(dump)

switch.prepare(environment, what=f"restore of {environment.environment}")
announce(f"Will restore {dump.described()}")
announce(
    f"Will keep the database of today as {environment.database}_before_ and the time: what was written since the dump is "
    "there alone, and goes with the next restore"
)
for name in sorted(there.going):
    announce(f"Will remove {name}, from before an earlier restore, when this one succeeded")
if present.current:
    announce(f"Will stop {present.current} for the moment of the change; if its schema is newer, make migrate follows")
switch.run(
    name=f"Restore: {dump.name}",
    environment=environment,
    action=["restore", dump.name, dump.sha256],
    summary=f"Will replace the database of {environment.environment} with the restored one",
    before=present.current or pin.NOTHING,
)
