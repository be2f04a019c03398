"""Prepare environments: `pyinfra inventory.py deploy.py --limit stage`, or without a limit for all of them."""

from functools import partial

from pyinfra import host, state
from pyinfra.facts.files import Link

from group_data.schema.inventory import environments_on, machine_of
from operations import (
    accounts,
    acme,
    acme_dns,
    adoption,
    aliases,
    clusters,
    database,
    epmd,
    foreign_tables,
    former_port,
    machine,
    ports,
    provided_files,
    sandbox,
    secret_file,
    site,
    site_owners,
    unit,
)
from operations.host import file, lock, steps
from operations.release import renewal, switch
from preflight import entry, known_machines, screen
from preflight.options import option
from vault.store import open_vault, vault_path

environments = entry.environments()
environment = environments[host.name]
secrets = open_vault(vault_path(environment.vault_directory, environment.environment), environment.vault_identity)
debian = entry.require_debian()
provided_files.require(environment)
acme.require(environment, debian)
acme_dns.require(environment, secrets)
sandbox.require(environment)
adoption.require(environment)
accounts.require(environment)
clusters.require(environment)
site_owners.require(environment)

on_machine = environments_on(machine_of(host), host.inventory, environments)
former_ports = ports.former(on_machine)
former = former_port.of(environment, former_ports)

# Once for each machine: the first of its environments in this run does it.
neighbours = [
    other for other in host.inventory if machine_of(other) == machine_of(host) and other in state.active_hosts
]
if neighbours[0].name == host.name:
    with steps.of_machine():
        lock.acquire(name="Machine: lock", what="apply")
        machine.prepare(on_machine, former_ports.values())

# The first step of every environment. pyinfra runs a common step on all hosts together, so all of them wait here until the
# machine is ready.
unit.users(environment)
known_machines.remember(name="Entry in the list of this repository", environment=environment)
machine.entry(environment)

database.managed_database(environment, prepared=adoption.not_ours(environment).prepared)
foreign_tables.tell(environment)
epmd.port_mapper(environment)
# Before the unit's variables: whenever the application starts with another port, nginx knows that.
site.nginx_site(environment, secrets, debian, former)
changes = unit.service(environment)
ports.owner_file(environment, former)
switch.install(environment)
switch.at_boot(environment)
aliases.bash_aliases(environment)

# The last steps, without others between them: until the restart the running release only knows the old database password.
# The directories are among them: a release from before the application had a user of its own loses its files here.
unit.directories(name="Root directory", environment=environment)
cookie = secret_file.cookie(environment, secrets)
secret = secret_file.secret_file_and_database_password(environment, secrets)
# Every environment has this step: all of them wait here until the files of all are written.
ports.owner_in_force(name="Port: in force", environment=environment, former=former)
renewal.in_turn(
    environments,
    after=[*changes, cookie, *secret],
    then=partial(former_port.left, environment, debian) if former else None,
)
if neighbours[0].name == host.name:
    with steps.of_machine():
        former_port.opened(
            on_machine, former_ports, restarted=[environments[other.name].environment for other in neighbours]
        )

if host.get_fact(Link, path=environment.app_path) is None:
    screen.unreleased.append(environment.environment)

# Whoever reads that the apply succeeded may rely on it, also after a power cut.
file.sync(name="All of it is on the disk")

# The authority may refuse: everything else is done by then.
site.certificate_of_authority(environment, secrets, debian, force=bool(option("FORCE")))
