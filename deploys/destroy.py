"""Remove one environment from its machine: `pyinfra inventory.py deploys/destroy.py --limit qa`.

First a last backup of its database, into /var/backups. What is gone is not listed, so an interrupted run is repeated.
The variable DEPLOY_FORCE=1 allows it for a public environment. `make destroy` asks for the name.
"""

from pyinfra import host
from pyinfra.operations import server

from inspection import leftovers
from operations import destruction
from operations.host import lock
from operations.host.report import announce
from preflight import entry
from preflight.options import option

environment = entry.free_environment()
destruction.require_allowed(environment, force=option("FORCE") == "1")
found = leftovers.everything_of(host, environment)

if environment.database_managed and environment.database != environment.full_name:
    announce(f"The database {environment.database} stays: its name is not made of the environment's")
if found:
    lock.acquire(name="Machine: lock", what=f"destroy of {environment.environment}")
    database = environment.database if f"database {environment.database}" in [each.thing for each in found] else ""
    into = f", database {database} into {destruction.backup_path(environment)}/backups" if database else ""
    destruction.last_backup(
        name=f"Destroy: stop the application, last backup{into}", environment=environment, database=database
    )
    for each in found:
        server.shell(name=f"Destroy: {each.thing}", commands=[each.command])
    destruction.nothing_left(
        name="Destroy: nothing is left",
        environment=environment.environment,
        find=lambda host: [each.thing for each in leftovers.everything_of(host, environment)],
    )
