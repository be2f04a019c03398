"""Whether two machines are the same host to the application: `python -m bench.same_host --ansible-playbook PATH`.

As a command it prepares one throwaway machine with pyinfra and another with the playbook of `bench.ansible`, and fails
unless both are the same, further runs of either tool change nothing, and pyinfra's plan finds nothing to do on the machine
that Ansible made.
"""

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from bench.ansible.play import PROGRAM, Directly, changed, play
from operations.machine import PACKAGES
from tests.host.project import Project
from tests.sandbox.image import RELEASES
from tests.sandbox.machine import Machine, boot
from tests.sandbox.vaults import make_vaults

Result = TypeVar("Result")

# Programs that print what a machine is, a line for each thing, with a tab after its name.
FILES, NAMES = (Path(__file__).with_name(name).read_text() for name in ("list_files.sh", "list_names.sh"))

# One JSON object by row: `what name`, and everything about it. A verifier's salt is random.
SQL = """\
SELECT json_build_object('role ' || rolname, to_jsonb(pg_authid) - 'oid' - 'rolpassword' || jsonb_build_object(
    'password', left(rolpassword, 19) = 'SCRAM-SHA-256$4096:',
    'memberships', (SELECT coalesce(json_agg(roleid::regrole::text), '[]') FROM pg_auth_members
      WHERE member = pg_authid.oid)))
  FROM pg_authid WHERE rolname !~ '^pg_';
SELECT json_build_object('database ' || datname, to_jsonb(pg_database) - 'oid' - 'datfrozenxid' - 'datminmxid'
    - 'dattablespace' - 'datdba' - 'datacl' || jsonb_build_object('owner', datdba::regrole::text, 'acl', datacl::text))
  FROM pg_database;
"""
EXTENSIONS = """\
SELECT json_build_object('extension ' || extname, json_build_object('schema', extnamespace::regnamespace::text,
    'version', extversion, 'owner', extowner::regrole::text)) FROM pg_extension;
SELECT json_build_object('schema ' || nspname, json_build_object('owner', nspowner::regrole::text, 'acl', nspacl::text))
  FROM pg_namespace WHERE nspname !~ '^pg_toast';
"""


def state(machine: Machine) -> dict[str, str]:
    """Everything that matters for two machines to be the same host, by what it is about.

    + machine: one that was prepared for the example's `stage`
    """
    result: dict[str, str] = {}
    for command in (["sh", "-c", FILES], ["sh", "-c", NAMES, "list_names.sh", *PACKAGES]):
        for line in machine.run(shlex.join(command)).stdout.splitlines():
            name, _, text = line.partition("\t")
            result[name] = f"{result[name]}, {text}" if name in result else text
    for database, sql in (("postgres", SQL), ("billing_stage", EXTENSIONS)):
        psql = f"cd / && psql -XqAt -v ON_ERROR_STOP=1 -d {database}"
        for line in machine.run(psql, user="postgres", stdin=sql).stdout.splitlines():
            for name, row in json.loads(line).items():
                result[f"PostgreSQL {database}: {name}"] = json.dumps(row, sort_keys=True)
    return result


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """What is not the same, a line for each thing.

    + one: as `state` returns it
    + other: likewise
    """
    nothing = "not there"
    return [
        f"{name}: {one.get(name, nothing)} | {other.get(name, nothing)}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def stage_alone(path: Path, vaults: Path) -> Project:
    """A copy of the repository whose inventory has `stage` and nothing else.

    + path: where it goes
    + vaults: as `make_vaults` made them
    """
    project = Project.copy(path, vaults)
    inventory = project.path / "inventory.py"
    line = 'prod = [("@snapshot/prod", machine(HOST))]\n'
    text = inventory.read_text()
    if line not in text:
        raise ValueError(f"{inventory} has no line {line!r}")
    inventory.write_text(text.replace(line, ""))
    (project.path / "group_data/prod.py").unlink()
    return project


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = argparse.ArgumentParser(prog="python -m bench.same_host", description=__doc__.splitlines()[0])
    parser.add_argument("--ansible-playbook", default=PROGRAM, metavar="PATH", help="of the program")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as machines:
        make_vaults(Path(directory) / "vaults", ["stage"])
        by_pyinfra, by_ansible = (
            stage_alone(Path(directory) / name, Path(directory) / "vaults") for name in ("pyinfra", "ansible")
        )
        one, other = (
            machines.enter_context(boot(release=RELEASES[0], directory=project.sandbox))
            for project in (by_pyinfra, by_ansible)
        )
        found = [*_prepare(by_pyinfra, by_ansible, other, options.ansible_playbook)]
        found += differences(state(one), state(other))
        found += [
            f"pyinfra would change on Ansible's machine: {name}" for name in by_ansible.planned("--limit", "stage")
        ]
    print("\n".join(found) or "The same host, by either tool.")
    return 1 if found else 0


def _prepare(by_pyinfra: Project, by_ansible: Project, machine: Machine, program: str) -> list[str]:
    """Both tools prepare their machine, and run again; returns what was not as it should be."""
    found = []
    _timed("pyinfra, bare", lambda: by_pyinfra.apply("--limit", "stage").require_success())
    if applied := _timed("pyinfra, again", lambda: by_pyinfra.applied("--limit", "stage")):
        found.append(f"pyinfra changed something again: {', '.join(applied)}")
    if planned := _timed("pyinfra, plan", lambda: by_pyinfra.planned("--limit", "stage")):
        found.append(f"pyinfra would change something again: {', '.join(planned)}")
    with play(by_ansible.path, [Directly(machine)], program=program) as ansible:
        _timed("Ansible, Python alone", ansible.bootstrap)
        _timed("Ansible, bare", ansible.run)
        ansible.disconnect()
        again = changed(_timed("Ansible, again", ansible.run))
        ansible.disconnect()
        plan = changed(_timed("Ansible, plan", lambda: ansible.run("--check", "--diff")))
    for what, count in {"again": again, "plan": plan}.items():
        if set(count.values()) != {0}:
            found.append(f"Ansible, {what}: changed {count}")
    return found


def _timed(what: str, call: Callable[[], Result]) -> Result:
    start = time.monotonic()
    result = call()
    print(f"{what}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
