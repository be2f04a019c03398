"""Restart the application of one environment: `pyinfra inventory.py deploys/restart.py --limit stage`.

It must be well afterwards.
"""

from operations.release import switch
from preflight import entry

environment = entry.one_environment()

switch.prepare(environment, what=f"restart of {environment.environment}")
switch.run(
    name="Restart: the running release",
    environment=environment,
    action=["restart"],
    summary=f"Will restart the application of {environment.environment}",
)
