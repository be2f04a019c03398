"""Restart the application of one environment: `pyinfra inventory.py restart.py --limit stage`. It must then be well."""

from pyinfra import config, host

from group_data.schema.inventory import read_environments
from operations import switch
from operations.choice import require_one_environment
from tools.access import require_sudo

config.SUDO = True
require_one_environment(host.inventory)
require_sudo(host)

environment = read_environments(host.inventory)[host.name]

switch.prepared(environment, what=f"restart of {environment.environment}")
switch.switched(
    name="Restart: the running release",
    environment=environment,
    action=["restart"],
    summary=f"Will restart the application of {environment.environment}",
)
