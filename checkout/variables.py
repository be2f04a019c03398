"""Environment variables: those of a build, those of a start, and those that shell files of a checkout assign."""

import re
import shlex
from collections.abc import Mapping

from checkout.evaluator import Evaluator
from checkout.files import Read
from checkout.syntax import parse
from checkout.values import Setting, Unknown
from group_data.schema.environment import Environment
from operations.host.rendering import render

# NAME=value in a rel/env.sh.eex or a .deliver/config, with or without export.
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)")

_DEFAULTED = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")

# Variables without a value that is known here: secrets, and those that the release's own script sets.
_SECRETS = ("DATABASE_URL", "SECRET_KEY_BASE")
_RELEASE = ("RELEASE_NAME", "RELEASE_VSN", "RELEASE_ROOT", "RELEASE_PROG", "RELEASE_COMMAND", "RELEASE_SYS_CONFIG")
_SET_AT_START = dict.fromkeys((*_SECRETS, *_RELEASE), "known at start")

_EEX = re.compile(r"<%=?\s*(.*?)\s*%>")


def build_variables(environment: Environment) -> dict[str, str]:
    """The environment variables of a build that configuration may read."""
    chosen = {"DEPLOYMENT_CONFIG": environment.deployment_config} if environment.deployment_config else {}
    return {"MIX_ENV": environment.mix_env, **chosen}


def start_variables(environment: Environment) -> dict[str, str]:
    """The environment variables that the unit sets for a release."""
    lines = render("variables.j2", environment=environment).splitlines()
    words = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return _SET_AT_START | {name: shlex.split(value)[0] if value else "" for name, value in words}


def read_assignments(
    read: Read, file: str, variables: Mapping[str, str], conditions: Evaluator | None = None
) -> dict[str, Setting]:
    """Reads the variables that a shell file assigns; the last assignment of a name counts.

    + read: reads a file of the checkout
    + file: path of the shell file
    + variables: set before it runs
    + conditions: evaluates the conditions of an EEx template; None if the file is no template
    """
    found: dict[str, Setting] = {}
    taken: list[bool] = []
    for number, line in enumerate((read(file) or "").splitlines(), 1):
        if conditions and (tag := _EEX.fullmatch(line.strip())):
            taken = _nested(tag[1], taken, conditions)
        elif all(taken) and (match := _ASSIGNMENT.fullmatch(line)):
            known = {**variables, **{name: str(setting.value) for name, setting in found.items()}}
            found[match[1]] = Setting(_shell_value(match[2], known), file, number)
    return found


def _nested(tag: str, taken: list[bool], conditions: Evaluator) -> list[bool]:
    if tag == "end":
        return taken[:-1]
    if tag == "else":
        return [*taken[:-1], not taken[-1]]
    condition = re.fullmatch(r"if (.*) do", tag)
    if not condition:
        return taken
    value = conditions.value(parse(condition[1], tag).named_children[0])
    return [*taken, not isinstance(value, Unknown) and value not in (None, False)]


def _shell_value(text: str, variables: Mapping[str, str]) -> object:
    def known(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[2]

    text = re.sub(r"\$\{?([A-Z_]+)\}?", lambda m: variables.get(m[1], m[0]), _DEFAULTED.sub(known, text))
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return Unknown(text)
    return words[0] if words else ""
