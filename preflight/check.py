"""Refuses data that cannot work, before anything connects.

pyinfra 3.10 has no callback between reading the inventory and connecting. The last line of `inventory.py` is the latest
moment for a check, and pyinfra's own inventory does not exist yet. So the check reads the file once more:

    pyinfra inventory.py deploy.py --limit stage
      |  make_inventory: runs inventory.py
      |    |  groups, connection data
      |    '- refuse_what_cannot_work()
      |         |  read_inventory: runs inventory.py again, with an empty command line, so that its last
      |         |  line does nothing; adds group_data and --data, as pyinfra will do
      |         '- problems? one message, exit code 1
      |  --limit and --exclude
      |  connect
      '  deploy.py

The check has three limits. pyinfra itself shows a syntax error in `inventory.py`, because it reads the file first. Only the
environments of the run need their vaults; the check opens the others if the operator can, to compare cookies. And
`debug-inventory` shows right and wrong data alike.
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import click
from pyinfra.api import Inventory
from pyinfra_cli.util import parse_cli_arg

from group_data.schema.inventory import FILE_GROUP, describe, examine, warn, wrong_elsewhere
from group_data.schema.problem import Problem, Subject, no_environment
from group_data.schema.secrets import Secrets
from preflight import options as entry_options
from preflight.inventory import InventoryError, pass_over_from_now_on, read_inventory, read_names
from preflight.secret_variables import different_variables
from vault.keys import shown
from vault.recipients import any_must_be_sealed
from vault.store import VaultError, lacks_seal, open_vault, vault_path
from vault.trust import ForgeryError

# Data keys with the path of a file on this computer that SSH needs.
CONNECTION_FILES = ("ssh_config_file", "ssh_key", "ssh_known_hosts_file")

# Entry points that need the data of every environment. What one of them takes away, another may share.
_NEED_ALL = ("deploy.py", "destroy.py")


class Vaults(NamedTuple):
    """The vaults of an inventory.

    + opened: path and secrets by inventory host, as far as this operator can open the vaults
    + failures: reason by inventory host, for the other vaults
    """

    opened: Mapping[str, tuple[Path, Secrets]]
    failures: Mapping[str, VaultError]


def refuse_what_cannot_work() -> None:
    """End pyinfra with exit code 1 and one message if its options, its data or its vaults cannot work.

    The end of `inventory.py` calls this: pyinfra reads that file first, then connects, then runs deploy.py, but not if
    `--limit` matches nothing. Does nothing for `debug-inventory`, and without a command line of pyinfra.
    """
    context = click.get_current_context(silent=True)
    options = context.params if context else {}
    if not options.get("operations") or options["operations"][0] == "debug-inventory":
        return
    try:
        problems, advice = _problems_of_run(options)
        if _goes_on_without_others(options):
            # pyinfra reads the files once more.
            pass_over_from_now_on({})
    except InventoryError as error:
        problems, advice = [error.problem], []
    if problems:
        _refuse(problems, advice)


def _goes_on_without_others(options: Mapping[str, Any]) -> bool:
    """Whether a run needs nothing of other environments than its own."""
    return bool(options["limit"]) and all(Path(operation).name not in _NEED_ALL for operation in options["operations"])


def _problems_of_run(options: Mapping[str, Any]) -> tuple[list[Problem], list[str]]:
    overrides = dict(item.split("=", 1) for item in options["data"])
    inventory = read_inventory(
        options["inventory"],
        str(Path.cwd()),
        {key: parse_cli_arg(value) for key, value in overrides.items()}
        | {key: options[key] for key in ("ssh_user", "ssh_key", "ssh_port") if options[key]},
        options["group_data"],
        options["limit"] if _goes_on_without_others(options) else (),
    )
    in_run = _in_run(inventory, options)
    problems = list(option_problems(inventory, options))
    if not all(operation.endswith(".py") for operation in options["operations"]):
        return problems, []
    subjects, found = examine(inventory, in_run)
    if _goes_on_without_others(options) and (wrong := wrong_elsewhere(inventory, subjects, found, in_run)):
        warn(wrong)
        found = [problem for problem in found if problem.host not in wrong]
        subjects = [subject for subject in subjects if subject.host not in wrong]
    vaults = open_vaults(subjects)
    problems += [*reserved_groups(Path(options["inventory"])), *found, *connection_problems(inventory, in_run)]
    problems += [*vault_problems(subjects, vaults, in_run), *shared_cookies(subjects, vaults)]
    problems += [*missing_passwords(subjects, vaults), *missing_dns_secrets(subjects, vaults)]
    # A variable may be known for stage before it is known for prod. A rollback must not wait for anybody who adds one.
    if any(Path(operation).name == "deploy.py" for operation in options["operations"]):
        problems += different_variables([subject for subject in subjects if subject.host in in_run], vaults.opened)
    return problems, not_compared(vaults, in_run)


# --- Options ----------------------------------------------------------------------------------------------------------


def option_problems(inventory: Inventory, options: Mapping[str, Any]) -> Iterator[Problem]:
    """Options of pyinfra that cannot work here.

    + options: click's parameters of the pyinfra command
    """
    for option in ("serial", "no_wait"):
        if options[option]:
            name = f"--{option.replace('_', '-')}"
            text = "breaks the order of steps: a machine must be ready before any of its environments; leave it out"
            yield Problem(name, text, "command line")
    groups = (group for group, hosts in inventory.groups.items() if hosts and group != FILE_GROUP)
    names = dict.fromkeys([*(host.name for host in inventory), *groups])
    for option in ("limit", "exclude"):
        for pattern in options[option]:
            if not _matches(inventory, pattern):
                yield Problem(f"--{option} {pattern}", no_environment(pattern, names), "command line")
    if not _in_run(inventory, options) and all(_matches(inventory, pattern) for pattern in options["limit"]):
        yield Problem("the run", "no host is left: nothing would be done; change --limit or --exclude", "command line")


def _in_run(inventory: Inventory, options: Mapping[str, Any]) -> list[str]:
    """The hosts that remain after `--limit` and `--exclude`. pyinfra reads both as a group's name, else as a pattern."""
    limited = {name for pattern in options["limit"] for name in _matches(inventory, pattern)}
    excluded = {name for pattern in options["exclude"] for name in _matches(inventory, pattern)}
    return [h.name for h in inventory if (not options["limit"] or h.name in limited) and h.name not in excluded]


def _matches(inventory: Inventory, pattern: str) -> list[str]:
    group = inventory.get_group(pattern, default=None)
    return [host.name for host in inventory if (host in group if group else fnmatch(host.name, pattern))]


# --- Files ------------------------------------------------------------------------------------------------------------


def reserved_groups(path: Path) -> Iterator[Problem]:
    """Groups with names that pyinfra uses itself.

    + path: file of the inventory
    """
    names = read_names(str(path))
    for name in ("all", FILE_GROUP):
        if isinstance(names.get(name), list | tuple):
            text = f"pyinfra gives the name {name} to a group of its own, all hosts: name the group as its environment"
            yield Problem(name, text, path.name)


def connection_problems(inventory: Inventory, in_run: Collection[str]) -> Iterator[Problem]:
    """Missing files that SSH needs.

    + in_run: hosts of the run
    """
    for host in inventory:
        for key in CONNECTION_FILES if host.name in in_run else ():
            name = host.data.get(key)
            if name and not Path(name).expanduser().exists():
                sandbox = Path(name).parts[0] == ".sandbox"
                way = "run `make sandbox-up`, which boots it" if sandbox else "put it there, or correct the path"
                text = f"{key} = {name!r}: there is no such file, and SSH cannot reach the machine without it: {way}"
                yield Problem(host.name, text, "inventory.py")


# --- Vaults -----------------------------------------------------------------------------------------------------------


def open_vaults(subjects: Sequence[Subject]) -> Vaults:
    """Open every vault that this operator can open, in memory.

    + subjects: the environments; one without a known path of its vault is skipped
    """
    opened: dict[str, tuple[Path, Secrets]] = {}
    failures: dict[str, VaultError] = {}
    for subject in subjects:
        for path, identity in subject.read(
            lambda e: [(vault_path(e.vault_directory, e.environment), e.vault_identity)]
        ):
            try:
                opened[subject.host] = path, open_vault(path, identity)
            except VaultError as error:
                failures[subject.host] = error
    return Vaults(opened, failures)


def forged(subjects: Sequence[Subject], vaults: Vaults) -> Iterator[Problem]:
    """Vaults that somebody may have written who cannot open the real ones.

    A vault without a seal beside one that has a seal counts: somebody may have taken the line with its name out of
    recipients.txt. A new clone and a job of CI remember nothing of it.
    """
    for subject in subjects:
        failure = vaults.failures.get(subject.host)
        if isinstance(failure, ForgeryError):
            yield subject.problem("vault_directory", str(failure).replace("\n", "\n    "))
    for subject, path in _without_seal(subjects, vaults):
        if any_must_be_sealed(path.parent):
            text = (
                "carries no seal, and a vault beside it does. Look at its values; `make vault-recipients` then seals it"
            )
            yield subject.problem("vault_directory", f"{shown(path)} {text}")


def unsealed(subjects: Sequence[Subject], vaults: Vaults) -> list[str]:
    """One sentence with the opened vaults from before there were seals; none if all have one."""
    paths = {shown(path) for _, path in _without_seal(subjects, vaults)}
    text = "without a seal, so whoever writes to this repository can replace it unnoticed: `make vault-recipients` seals it"
    return [f"{', '.join(sorted(paths))}: {text}"] if paths else []


def _without_seal(subjects: Sequence[Subject], vaults: Vaults) -> list[tuple[Subject, Path]]:
    return [
        (subject, path)
        for subject in subjects
        if subject.host in vaults.opened
        for path, identity in subject.read(lambda e: [(vault_path(e.vault_directory, e.environment), e.vault_identity)])
        if lacks_seal(path, identity)
    ]


def vault_problems(subjects: Sequence[Subject], vaults: Vaults, in_run: Collection[str]) -> Iterator[Problem]:
    """Vaults of the run that are missing or cannot be used.

    + in_run: hosts of the run; only these need secrets
    """
    for subject in subjects:
        if subject.host in in_run and subject.host in vaults.failures:
            text = str(vaults.failures[subject.host]).replace("\n", "\n    ")
            yield subject.problem("vault_directory", text)


def missing_passwords(subjects: Sequence[Subject], vaults: Vaults) -> Iterator[Problem]:
    """Sites with basic authentication and no password in their vault, as far as this operator can open the vaults."""
    for subject in subjects:
        for user in subject.read(lambda e: [e.basic_auth_user]):
            path, secrets = vaults.opened.get(subject.host, (None, None))
            if user and path and secrets and secrets.basic_auth_password is None:
                yield subject.problem(
                    "basic_auth_user",
                    f"basic_auth_user = {user!r} needs basic_auth_password in {shown(path)}: `make vault-init "
                    f"ENV={path.stem}` makes one, `make vault-edit ENV={path.stem}` stores one you choose",
                )


def missing_dns_secrets(subjects: Sequence[Subject], vaults: Vaults) -> Iterator[Problem]:
    """Certificates by way of DNS without its key in their vault, as far as this operator can open the vaults."""
    for subject in subjects:
        for way in subject.read(lambda e: [e.acme_dns]):
            path, secrets = vaults.opened.get(subject.host, (None, None))
            if way and path and secrets and secrets.acme_dns_secret is None:
                yield subject.problem(
                    "acme_dns",
                    f"acme_dns = {way!r} needs acme_dns_secret in {shown(path)}, the secret of the TSIG key in base64: "
                    f"`make vault-set ENV={path.stem} KEY=acme_dns_secret` stores it",
                )


def shared_cookies(subjects: Sequence[Subject], vaults: Vaults) -> Iterator[Problem]:
    """Environments that share a cookie. Only names are shown, no values."""
    owners: dict[str, tuple[str, Path]] = {}
    for subject in subjects:
        if subject.host in vaults.opened:
            path, secrets = vaults.opened[subject.host]
            owner, other = owners.setdefault(secrets.cookie.get_secret_value(), (subject.host, path))
            if owner == subject.host:
                continue
            way = f"run `make vault-rotate ENV={path.stem} KEY=cookie`, which makes another"
            if path == other:
                way = "the two use one vault: give one of them a vault_directory of its own"
            text = f"cookie is the same as {owner}'s: who has it can run any code in both nodes; {way}"
            yield Problem(subject.host, text, shown(path))


def not_compared(vaults: Vaults, reported: Collection[str] = ()) -> list[str]:
    """One phrase with the unopened vaults and the reasons; none if all could be opened.

    + reported: hosts with a vault that is already reported as a problem
    """
    failures = [error for host, error in vaults.failures.items() if host not in reported]
    reasons = [re.split("[:;]", str(error).splitlines()[0])[0] for error in failures]
    return [f"not compared: {', '.join(dict.fromkeys(reasons))}"] if reasons else []


# --- Messages ---------------------------------------------------------------------------------------------------------


def _refuse(problems: Sequence[Problem], advice: Sequence[str]) -> None:
    if said := entry_options.option("LOST"):
        # The command that started this process adds nothing.
        Path(said).touch()
    # pyinfra would show a PyinfraError with file and line of this code, and anything else with a traceback.
    sys.exit(report(problems, advice))


def report(problems: Sequence[Problem], advice: Sequence[str] = ()) -> int:
    """Show the one message, and return the exit code.

    + problems: at least one
    + advice: phrases about cookies, each the end of a sentence
    """
    print("\n".join([describe(problems), *(f"Cookies {phrase}." for phrase in advice)]), file=sys.stderr)
    return 1
