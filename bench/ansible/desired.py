"""Contents of files and variables for the playbook: `python -m bench.ansible.desired PROJECT_DIRECTORY OUTPUT_DIRECTORY`.

The templates need our model of an environment, and some contents depend on secrets. So the deploy's own code renders them
here. The playbook gets finished files, below OUTPUT_DIRECTORY/files at their paths on the host, and
OUTPUT_DIRECTORY/vars.json. Both hold secrets: nobody else may read them.
"""

import argparse
import hmac
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from group_data.schema.environment import Environment
from group_data.schema.inventory import environments_on, machine_of, read_environments
from group_data.schema.secrets import Secrets
from operations import aliases, database, disk_log, epmd, machine, nginx, nginx_layout, ports, secret_file
from operations.host import firewall, program, unit_state
from operations.host.rendering import render
from operations.release import switch
from preflight.inventory import read_inventory
from vault.store import open_vault

ENVIRONMENT = "stage"

# Settings with steps that the playbook does not have, and their values in an environment without these steps.
WITHOUT: Mapping[str, Any] = {
    "tls": "none",
    "basic_auth_user": None,
    "database_managed": True,
    "appsignal": True,
    "secrets_read_at_start": True,
    "provided_files": {},
}


class UnsupportedError(Exception):
    """The playbook does not support the environment."""


def write(project: Path, output: Path) -> None:
    """Write all files for the playbook. They replace those of an earlier call.

    + project: directory with inventory.py, group_data and the vault of `stage`; `stage` is alone on its machine
    + output: directory for files and vars.json; created if it is missing

    Raises UnsupportedError if the playbook does not have all steps of the deploy.
    """
    environment = _environment(project)
    # An absolute path: a relative one would begin in this checkout.
    vault = project.resolve() / environment.vault_directory / f"{ENVIRONMENT}.age"
    identity = environment.vault_identity and str(project.resolve() / environment.vault_identity)
    secrets = open_vault(vault, identity)
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    output.chmod(0o700)
    files = output.resolve() / "files"
    for path, content in contents(environment, secrets).items():
        _write(files / path.lstrip("/"), content)
    values = variables(environment, secrets) | {"files": str(files)}
    _write(output / "vars.json", json.dumps(values, indent=2) + "\n")


def contents(environment: Environment, secrets: Secrets) -> dict[str, str]:
    """The contents of files on the host, by path.

    + environment: the environment
    + secrets: its vault
    """
    digests = secret_file.key_digests(environment, secrets)
    socket, mapper = environment.epmd_unit_paths
    return {
        ports.TABLE_PATH: _closed_ports(environment),
        ports.UNIT_PATH: render("deploy-ports.service.j2", path=ports.TABLE_PATH, owners=ports.OWNERS),
        ports.NFTABLES_PATH: render("nftables.service.j2", path=ports.TABLE_PATH, owners=ports.OWNERS),
        disk_log.PROGRAM: program.text("disk_log.sh"),
        **disk_log.units(),
        socket: render("epmd.socket.j2", environment=environment),
        mapper: render("epmd.service.j2", environment=environment),
        environment.sudo_rule_path: render("sudoers.j2", environment=environment),
        environment.owner_table_path: _owner_table(environment)["ruleset"],
        environment.boot_unit_path: render("boot-switch.service.j2", environment=environment),
        environment.entry_path: machine.entry_text(environment),
        epmd.SOCKET_DROP_IN: render("epmd-address.conf.j2", address=epmd.SHARED),
        machine.JOURNAL_CONF: render("journald.conf.j2", limit=environment.journal_limit),
        nginx.SERVER_NAMES_CONF: render("server-names.conf.j2"),
        f"{nginx_layout.DEBIAN.available}/{nginx.DEFAULT_SERVER}": render(
            "default-server.j2", header_timeout=nginx.HEADER_TIMEOUT, challenges=nginx.CHALLENGES
        ),
        f"{nginx_layout.DEBIAN.available}/{environment.full_name}": render(
            "site.j2",
            environment=environment,
            http2_directive=True,
            header_timeout=nginx.HEADER_TIMEOUT,
            challenges=nginx.CHALLENGES,
        ),
        f"{environment.page_root}/502.html": render("502.html.j2", environment=environment),
        environment.variables_path: render("variables.j2", environment=environment),
        environment.unit_path: render("unit.service.j2", environment=environment),
        environment.polkit_rule_path: render("polkit.rules.j2", environment=environment),
        environment.switch_path: program.text("switch.sh"),
        environment.switch_conf_path: switch.conf(environment),
        environment.cookie_path: f"{secrets.cookie.get_secret_value()}\n",
        environment.secret_path: render("secret.exs.j2", environment=environment, secrets=secrets, digests=digests),
        environment.secret_variables_path: secret_file.variables_file(environment, secrets).content,
    }


def variables(environment: Environment, secrets: Secrets) -> dict[str, Any]:
    """The variables of the playbook.

    + environment: the environment
    + secrets: its vault
    """
    names = (
        "full_name", "user", "login", "group", "home", "root", "private_path", "appsignal_path", "aliases_path",
        "variables_path",
        "unit", "unit_path", "polkit_rule_path", "switch_path", "switch_conf_path", "state_path", "artifacts_path",
        "backups_path",
        "page_root", "self_signed_path", "htpasswd_path", "cookie_path", "secret_path", "secret_variables_path", "database",
        "hsts", "database_connection_limit", "sudo_rule_path", "owner_table_path", "boot_unit_path", "epmd_unit_paths",
        "nginx_connections", "entry_path", "site_logs",
    )  # fmt: skip
    return {
        **{name: getattr(environment, name) for name in names},
        "mark": database.MARK,
        "login_seconds": database.LOGIN_SECONDS,
        "ports_table_path": ports.TABLE_PATH,
        "ports_unit": ports.UNIT,
        "ports_unit_path": ports.UNIT_PATH,
        "ports_nftables_path": ports.NFTABLES_PATH,
        "ports_in_force": _in_force(firewall.TABLE, _closed_ports(environment)),
        "owner_in_force": _in_force(**_owner_table(environment)),
        "disk_log": disk_log.PROGRAM,
        "disk_log_timer": unit_state.DISK_LOG_TIMER,
        "disk_log_unit_paths": list(disk_log.units()),
        "extensions": list(environment.database_extensions),
        "packages": machine.required([environment]),
        "epmd_address": epmd.SHARED,
        "epmd_drop_in": epmd.SOCKET_DROP_IN,
        "journal_conf": machine.JOURNAL_CONF,
        "server_names_conf": nginx.SERVER_NAMES_CONF,
        "nginx_user": nginx_layout.DEBIAN.user,
        "aliases_marker": aliases.marker(environment),
        "aliases_block": "\n".join(aliases.alias_lines(environment)),
        # Tests, reloads, waits until the old workers are gone, and leaves the mark of the last read configuration.
        "nginx_reload": shlex.join(
            ["sh", "-c", program.text("reload_nginx.sh"), "reload_nginx.sh", nginx.LOADED, str(nginx.RELOAD_PATIENCE)]
        ),
        **_password(environment, secrets),
    }


def _closed_ports(environment: Environment) -> str:
    return render("deploy-ports.nft.j2", ports=sorted(environment.closed_ports))


def _owner_table(environment: Environment) -> dict[str, str]:
    return firewall.owner_table(environment, nginx_layout.DEBIAN.user)


def _in_force(table: str, ruleset: str) -> str:
    """The command that prints "in force" if the kernel has a table as a ruleset makes it."""
    return shlex.join(["sh", "-c", program.text("ports_in_force.sh"), "ports_in_force.sh", table, ruleset])


def _password(environment: Environment, secrets: Secrets) -> dict[str, str]:
    """The statement that sets the role's password, and a digest to find out whether the role has it.

    A deploy draws a random salt and compares with the salt on the host. Here the salt comes from the vault, so that every
    call gives the same verifier.
    """
    key = secrets.secret_key_base.get_secret_value().encode()
    salt = hmac.digest(key, f"role {environment.database}".encode(), "sha256")[: database.SALT_BYTES]
    verifier = database.scram_verifier(secrets.database_password.get_secret_value(), salt)
    statement = f"BEGIN; ALTER ROLE \"{environment.database}\" PASSWORD '{verifier}'; COMMIT;"
    return {
        "password_statements": f"{database.UNLOGGED}{statement}\n",
        "password_digest": sha256(verifier.encode()).hexdigest(),
    }


def _environment(project: Path) -> Environment:
    inventory = read_inventory(str(project / "inventory.py"), str(project))
    environments = read_environments(inventory)
    host = next(host for host in inventory if environments[host.name].environment == ENVIRONMENT)
    environment = environments[host.name]
    if len(environments_on(machine_of(host), inventory, environments)) > 1:
        raise UnsupportedError(f"{ENVIRONMENT} shares its machine: the playbook prepares a machine for one environment")
    for setting, value in WITHOUT.items():
        if getattr(environment, setting) != value:
            raise UnsupportedError(f"{setting} of {ENVIRONMENT} is not {value!r}: the playbook has no steps for that")
    return environment


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = argparse.ArgumentParser(prog="python -m bench.ansible.desired", description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, help="directory with inventory.py, group_data and vault")
    parser.add_argument("output", type=Path, help="directory for files/ and vars.json")
    options = parser.parse_args(arguments)
    try:
        write(options.project, options.output)
    except UnsupportedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
