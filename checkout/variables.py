"""Environment variables: those of a build, and those of a start."""

import shlex

from group_data.schema.environment import Environment
from operations.host.rendering import render

# Variables without a value that is known here: secrets, and those that the release's own script sets.
_SECRETS = ("DATABASE_URL", "SECRET_KEY_BASE")
_RELEASE = ("RELEASE_NAME", "RELEASE_VSN", "RELEASE_ROOT", "RELEASE_PROG", "RELEASE_COMMAND", "RELEASE_SYS_CONFIG")
_SET_AT_START = {name: f"${name}" for name in (*_SECRETS, *_RELEASE)}


def build_variables(environment: Environment) -> dict[str, str]:
    """The environment variables of a build that configuration may read."""
    chosen = {"DEPLOYMENT_CONFIG": environment.deployment_config} if environment.deployment_config else {}
    return {"MIX_ENV": environment.mix_env, **chosen}


def start_variables(environment: Environment) -> dict[str, str]:
    """The environment variables that the unit sets for a release."""
    lines = render("variables.j2", environment=environment).splitlines()
    words = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    known = {name: shlex.split(value)[0] if value else "" for name, value in words}
    return _SET_AT_START | {"RELEASE_NAME": environment.release} | known
