"""The variables that shell files of a checkout assign: rel/env.sh.eex and .deliver/config."""

import re
import shlex
from collections.abc import Mapping

from checkout.evaluator import Evaluator
from checkout.files import Read
from checkout.syntax import parse
from checkout.values import Setting, Unknown

# NAME=value, with or without export.
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)")

_DEFAULTED = re.compile(r"\$\{([A-Z_]+):?-([^}]*)\}")

_EEX = re.compile(r"<%=?\s*(.*?)\s*%>")

# A command or a template in a value: only running the file would tell.
_COMPUTED = re.compile(r"<%|\$\(|`")

# The conditions of shell that are followed: a variable is empty, is not empty, equals a word, or differs from it.
_EMPTY = re.compile(r"\s*if \[ -([zn]) \"?(\$\S+?)\"? \]\s*;?\s*(?:then)?")
_EQUAL = re.compile(r"\s*if \[ \"?(\$\S+?)\"? (!?=) \"?([^\"\s]*)\"? \]\s*;?\s*(?:then)?")


def read_assignments(
    read: Read, file: str, variables: Mapping[str, str], conditions: Evaluator | None = None
) -> dict[str, Setting]:
    """Reads the variables that a shell file assigns; the last assignment of a name counts.

    An assignment under a condition that is not known counts as one that is not reached.

    + read: reads a file of the checkout
    + file: path of the shell file
    + variables: set before it runs
    + conditions: evaluates the conditions of an EEx template; None if the file is no template
    """
    found: dict[str, Setting] = {}
    taken: list[bool] = []
    reached: list[bool | None] = []
    for number, line in enumerate((read(file) or "").splitlines(), 1):
        known = {
            **variables,
            **{name: setting.value for name, setting in found.items() if isinstance(setting.value, str)},
        }
        if conditions and (tag := _EEX.fullmatch(line.strip())):
            taken = _nested(tag[1], taken, conditions)
        elif re.match(r"\s*(if|elif|else|fi)\b", line):
            reached = _nested_in_shell(line, reached, known)
        elif all([*taken, *reached]) and (match := _ASSIGNMENT.fullmatch(line)):
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


def _nested_in_shell(line: str, reached: list[bool | None], variables: Mapping[str, str]) -> list[bool | None]:
    word = line.split()[0].rstrip(";")
    if word == "if":
        # `if …; then …; fi` in one line.
        return reached if re.search(r"\bfi\s*$", line) else [*reached, _holds(line, variables)]
    if word == "fi":
        return reached[:-1]
    if word == "elif" or not reached or reached[-1] is None:
        return [*reached[:-1], None]
    return [*reached[:-1], not reached[-1]]


def _holds(line: str, variables: Mapping[str, str]) -> bool | None:
    """Whether a condition of shell holds; None if only running it would tell."""

    def value(text: str) -> object:
        known = _shell_value(text, variables)
        # What nobody sets is empty.
        return "" if isinstance(known, str) and known.startswith("$") else known

    if match := _EMPTY.fullmatch(line.rstrip()):
        return (value(match[2]) == "") == (match[1] == "z")
    if match := _EQUAL.fullmatch(line.rstrip()):
        return (value(match[1]) == match[3]) == (match[2] == "=")
    return None


def _shell_value(text: str, variables: Mapping[str, str]) -> object:
    def known(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[2]

    text = re.sub(r"\$\{?([A-Z_]+)\}?", lambda m: variables.get(m[1], m[0]), _DEFAULTED.sub(known, text))
    if _COMPUTED.search(text):
        return Unknown(text)
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return Unknown(text)
    return words[0] if words else ""
