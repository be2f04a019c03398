"""Restart the application of one environment: `pyinfra inventory.py restart.py --limit stage`. It must then be well."""

from pyinfra import config, host

from group_data.schema.inventory import read_environments
from operations.release import switch
from operations.release.choice import require_one_environment
from preflight.access import require_sudo

config.SUDO = True
require_one_environment(host.inventory)
require_sudo(host)

environment = read_environments(host.inventory)[host.name]

switch.prepare(environment, what=f"restart of {environment.environment}")
switch.run(
    name="Restart: the running release",
    environment=environment,
    action=["restart"],
    summary=f"Will restart the application of {environment.environment}",
)
