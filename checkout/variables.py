"""Environment variables: those of a build, and those of a start."""

import shlex

from group_data.schema.environment import Environment
from operations.host.rendering import render

# Set by the release's own script, and by systemd. A variable without a value that is known here stands for itself.
_RELEASE = (
    "RELEASE_VSN", "RELEASE_ROOT", "RELEASE_PROG", "RELEASE_COMMAND", "RELEASE_MODE", "RELEASE_SYS_CONFIG",
    "RELEASE_VM_ARGS", "RELEASE_REMOTE_VM_ARGS", "RELEASE_BOOT_SCRIPT", "RELEASE_BOOT_SCRIPT_CLEAN", "RELEASE_REVISION",
    "APP_REVISION",
)  # fmt: skip
_SYSTEMD = ("PATH", "USER", "LOGNAME", "SHELL", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID")


def build_variables(environment: Environment) -> dict[str, str]:
    """The environment variables of a build that configuration may read."""
    chosen = {"DEPLOYMENT_CONFIG": environment.deployment_config} if environment.deployment_config else {}
    secret = {name: f"${name}" for name in environment.build_secrets}
    return {**secret, "MIX_ENV": environment.mix_env, **chosen}


def start_variables(environment: Environment) -> dict[str, str]:
    """The environment variables that the unit sets for a release."""
    lines = render("variables.j2", environment=environment).splitlines()
    words = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    known = {name: shlex.split(value)[0] if value else "" for name, value in words}
    secret = (*environment.own_secret_variables, *environment.secret_variables)
    unknown = {name: f"${name}" for name in (*_RELEASE, *_SYSTEMD, *secret)}
    return unknown | {"RELEASE_NAME": environment.release} | known
