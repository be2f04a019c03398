"""Restart the application of one environment: `pyinfra inventory.py deploys/restart.py --limit stage`.

Fails if the application is not healthy afterwards.
"""

from operations.release import obstacles, switch
from preflight import entry

environment = entry.one_environment()
obstacles.require_none(environment, obstacles.WEB | obstacles.DISK)

switch.prepare(environment, what=f"restart of {environment.environment}")
switch.run(
    name="Restart: the running release",
    environment=environment,
    action=["restart"],
    summary=f"Will restart the application of {environment.environment}",
)
