"""Differences between the versions of Elixir and Erlang that a team works with and those of a build."""

import re
import tomllib
from collections.abc import Iterator

from checkout.difference import Compared
from checkout.files import Read
from checkout.requirement import unmet
from group_data.schema.environment import Environment

# Of asdf and mise, and of mise alone.
_FILES = (".tool-versions", "mise.toml", ".mise.toml")


def compare(read: Read, environment: Environment) -> Iterator[Compared]:
    """The differences in mix.exs and in the files of asdf and mise; none without elixir_version: only a host knows Debian's.

    + read: reads a file of the checkout
    + environment: to compare with
    """
    if not environment.elixir_version:
        return
    if asked := unmet(read, environment, environment.elixir_version):
        yield Compared(
            "Elixir",
            str(asked.value),
            environment.elixir_version,
            asked.file,
            asked.line,
            "set elixir_version to one that matches in group_data/all.py",
        )
    named = {"elixir": environment.elixir_version, "erlang": environment.erlang_version}
    for file in _FILES:
        for name, version, line in _versions(read(file) or "", file):
            expected = named.get(name)
            if expected and not _is_version(version, expected):
                hint = f'set {name}_version = "{version}" in group_data/all.py'
                yield Compared(name.capitalize(), version, expected, file, line, hint)


def _versions(text: str, file: str) -> Iterator[tuple[str, str, int]]:
    """Each tool with its first version, such as 1.18.4 of `elixir 1.18.4-otp-27`, and its line."""
    found = _of_asdf(text) if file == ".tool-versions" else _of_mise(text)
    lines = text.splitlines()
    for name, version in found.items():
        number = next((number for number, line in enumerate(lines, 1) if re.match(rf'\s*"?{name}\b', line)), 1)
        yield name, re.sub(r"-otp-[0-9.]+$", "", version), number


def _of_asdf(text: str) -> dict[str, str]:
    words = [line.partition("#")[0].split() for line in text.splitlines()]
    return {line[0]: line[1] for line in words if len(line) > 1 and line[0] in ("elixir", "erlang")}


def _of_mise(text: str) -> dict[str, str]:
    try:
        tools = tomllib.loads(text).get("tools", {})
    except tomllib.TOMLDecodeError:
        return {}
    found = {}
    for name in ("elixir", "erlang"):
        value = tools.get(name) if isinstance(tools, dict) else None
        value = value[0] if isinstance(value, list) and value else value
        value = value.get("version") if isinstance(value, dict) else value
        if isinstance(value, str):
            found[name] = value
    return found


def _is_version(version: str, expected: str) -> bool:
    """Whether they agree. 27 stands for all versions that begin with it, and a word, such as latest, for any."""
    return not re.match(r"[0-9]", version) or expected == version or expected.startswith(f"{version}.")
