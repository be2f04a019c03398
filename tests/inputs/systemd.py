"""systemd reads each unit and its file of variables as intended, and a POSIX shell reads the latter."""

import re
from collections.abc import Mapping, Sequence

from group_data.schema.environment import Environment
from operations import secret_variables
from operations.host.rendering import render
from tests.inputs.machine_files import fresh, inside, put, ran
from tests.inputs.refusals import Accepted
from tests.sandbox.machine import Machine

_DIRECTORY = "/run/inputs"

# Prints its environment. `env` changes nothing, so every difference comes from the file of variables.
_PRINTER = f"""\
[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
EnvironmentFile={_DIRECTORY}/%i
EnvironmentFile=-{_DIRECTORY}/%i.secret
ExecStart=/usr/bin/env -0
StandardOutput=truncate:{_DIRECTORY}/%i.systemd
"""

# As `set -a; . file` of the alias `console`, in a POSIX shell.
_SOURCE = f"""\
cd {_DIRECTORY}
for number in "$@"; do
    env -i sh -c 'set -a; . "$0"; exec /usr/bin/env -0' "./$number" > "$number.shell"
done
"""

_MIB = 1024 * 1024


def variables_arrive(machine: Machine, accepted: Sequence[Accepted]) -> list[str]:
    """systemd and a shell read each variable byte for byte, no other one appears, and nothing is run."""
    fresh(machine, _DIRECTORY)
    numbers = [str(item.case.number) for item in accepted]
    put(machine, {"/run/systemd/system/inputs@.service": _PRINTER})
    put(
        machine,
        {f"{_DIRECTORY}/{item.case.number}": render("variables.j2", environment=item.environment) for item in accepted},
    )
    secret = {
        f"{_DIRECTORY}/{item.case.number}.secret": secret_variables.text(item.environment, _secret(item), {})
        for item in accepted
        if item.environment.has_secret_variables
    }
    put(machine, secret)
    units = " ".join(f"inputs@{number}" for number in numbers)
    machine.run(f"systemctl daemon-reload; systemctl start {units}", check=False)
    machine.run(f"set -- {' '.join(numbers)}\n{_SOURCE}", check=False)
    machine.run("systemctl reset-failed 'inputs@*'", check=False)
    complaints = ran(machine)
    for item in accepted:
        for reader in ("systemd", "shell"):
            output = inside(machine, f"{_DIRECTORY}/{item.case.number}.{reader}")
            seen = _environment(output.read_bytes()) if output.exists() else {}
            secrets = _secret(item) if reader == "systemd" else {}
            complaints += [
                f"{reader}: {complaint}: {item.case}" for complaint in _differences(item.environment, secrets, seen)
            ]
    return complaints


def units_load(machine: Machine, accepted: Sequence[Accepted]) -> list[str]:
    """`systemd-analyze verify` accepts each unit, and systemd loads the values from the data."""
    directory = "/run/systemd/system"
    units = {item.environment.unit: item for item in accepted}
    programs = {item.environment.start_command.split()[0]: "#!/bin/sh\n" for item in accepted}
    put(machine, programs)
    for path in programs:
        inside(machine, path).chmod(0o755)
    for name, item in units.items():
        put(machine, {f"{directory}/{name}": render("unit.service.j2", environment=item.environment)})
    verified = machine.run(
        f"systemctl daemon-reload; cd {directory}; systemd-analyze verify {' '.join(units)}", check=False
    )
    complaints = [f"systemd-analyze verify: {line}" for line in (verified.stdout + verified.stderr).splitlines()]
    properties = "Id,MemoryMax,CPUWeight,TasksMax,LimitNOFILE,Restart,User,EnvironmentFiles,ExecStart"
    shown = machine.run(f"systemctl show --property {properties} {' '.join(units)}").stdout
    loaded = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
    for values in loaded:
        item = units.pop(values["Id"])
        values["ExecStart"] = re.sub(r".*argv\[\]=(.*?) ; ignore_errors.*", r"\1", values["ExecStart"])
        expected = _loaded(item.environment)
        complaints += [
            f"systemctl show: {name} is {values.get(name)!r} instead of {value!r}: {item.case}"
            for name, value in expected.items()
            if values.get(name) != value
        ]
        inside(machine, f"{directory}/{item.environment.unit}").unlink()
    return complaints + [f"systemctl show says nothing of {name}" for name in units]


def _loaded(environment: Environment) -> dict[str, str]:
    return {
        "MemoryMax": str(environment.memory_limit * _MIB),
        "CPUWeight": str(environment.cpu_weight),
        "TasksMax": str(environment.task_limit),
        "LimitNOFILE": str(environment.file_limit),
        "Restart": environment.restart,
        "User": environment.user,
        # systemctl prints a line for each file; the last one counts here.
        "EnvironmentFiles": f"{_last_file(environment)} (ignore_errors=yes)",
        "ExecStart": environment.start_command,
    }


def _last_file(environment: Environment) -> str:
    return environment.secret_variables_path if environment.has_secret_variables else environment.revision_path


def _secret(item: Accepted) -> dict[str, str]:
    return secret_variables.values(item.environment, item.secrets)


def _environment(output: bytes) -> dict[str, bytes]:
    parts = (part.partition(b"=") for part in output.split(b"\0") if part)
    return {name.decode(errors="backslashreplace"): value for name, _, value in parts}


# Variables that systemd and the shell add.
_OWN = frozenset(
    "PATH PWD OLDPWD SHLVL _ USER LOGNAME SHELL INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH "
    "MEMORY_PRESSURE_WRITE".split()
)


def _differences(environment: Environment, secrets: Mapping[str, str], seen: dict[str, bytes]) -> list[str]:
    """How the variables that were read differ from the data."""
    wanted = {name: value.encode() for name, value in environment.unit_environment.items()}
    wanted |= {name: value.encode() for name, value in secrets.items()}
    wanted |= {"PHX_HOST": environment.domain.encode(), "PORT": str(environment.port).encode()}
    differences = [
        f"{name} is {seen.get(name)!r:.200} instead of {value!r:.200}"
        for name, value in wanted.items()
        if seen.get(name) != value
    ]
    without = environment.model_copy(update={"unit_environment": {}})
    ours = re.findall(r"^([A-Z_]+)=", render("variables.j2", environment=without), re.MULTILINE)
    return differences + [f"{name} is set by nobody" for name in seen.keys() - wanted.keys() - set(ours) - _OWN]
