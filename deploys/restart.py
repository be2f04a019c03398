"""Restart the application of one environment: `pyinfra inventory.py deploys/restart.py --limit stage`.

Fails if the application is not healthy afterwards.
"""

from operations.host.report import announce
from operations.release import applied, obstacles, strategy, switch
from preflight import entry

environment = entry.one_environment()
applied.require(environment)
obstacles.require_none(environment, obstacles.WEB | obstacles.DISK)
announce(strategy.describe(environment))

switch.prepare(environment, what=f"restart of {environment.environment}")
switch.run(
    name="Restart: the running release",
    environment=environment,
    action=["restart"],
    summary=f"Will restart the application of {environment.environment}",
)
