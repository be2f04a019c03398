"""Elixir's versions and requirements, as its module Version compares them."""

import re
from typing import NamedTuple

# A version as Version.parse/1 takes it. A requirement may leave the third number out, with ~> alone.
_NUMBER = r"(0|[1-9][0-9]*)"
_WORDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?(?:-({_WORDS}))?(?:\+{_WORDS})?")

# The operators, and "!" for !=, as Elixir's own lexer cuts a requirement.
_TOKENS = re.compile(r" +(or|and) +|(>=|<=|~>|!=|==|>|<|!)|([^ ><=!~]+)| +")

_Key = tuple[tuple[int, int, int], int, tuple[tuple[int, int, str], ...]]


class _Version(NamedTuple):
    numbers: tuple[int, int, int]
    short: bool
    pre: tuple[str, ...]

    @property
    def key(self) -> _Key:
        """Sorts as Elixir compares: a pre-release comes before its release, and a number before a word."""
        words = tuple((0, int(word), "") if word.isdecimal() else (1, 0, word) for word in self.pre)
        return self.numbers, 0 if self.pre else 1, words


def matches(version: str, requirement: str) -> bool:
    """Whether a version meets a requirement such as "~> 1.15" or ">= 1.14.0 and < 2.0.0", as Version.match?/2 says.

    + version: with three numbers, such as 1.18.4 or 1.19.0-rc.0
    + requirement: as in mix.exs

    Raises ValueError when one of them is none.
    """
    there = _parsed(version)
    if there.short:
        raise ValueError(f"{version} is no version")
    alternatives: list[list[bool]] = [[]]
    for joint, operator, text in _conditions(requirement):
        if joint == "or":
            alternatives.append([])
        alternatives[-1].append(_holds(there, operator, _operand(operator, text)))
    return any(all(conditions) for conditions in alternatives)


def _conditions(requirement: str) -> list[tuple[str, str, str]]:
    """Each condition: the word before it, its operator and its version."""
    found: list[tuple[str, str, str]] = []
    joint, operator, position = "and", "", 0
    wanted = True
    while position < len(requirement):
        token = _TOKENS.match(requirement, position)
        if token is None:
            raise ValueError(f"{requirement} is no requirement")
        position = token.end()
        word, sign, text = token.groups()
        if (word and wanted) or (sign and (operator or not wanted)) or (text and not wanted):
            raise ValueError(f"{requirement} is no requirement")
        if word:
            joint, wanted = word, True
        elif sign:
            operator = "!=" if sign == "!" else sign
        elif text:
            found.append((joint, operator or "==", text))
            operator, wanted = "", False
    if wanted:
        raise ValueError(f"{requirement} is no requirement")
    return found


def _operand(operator: str, text: str) -> _Version:
    version = _parsed(text)
    if version.short and operator != "~>":
        raise ValueError(f"{text} is no version")
    return version


def _parsed(text: str) -> _Version:
    match = _VERSION.fullmatch(text)
    words = tuple(match[4].split(".")) if match and match[4] else ()
    if match is None or any(re.fullmatch("0[0-9]+", word) for word in words):
        raise ValueError(f"{text} is no version")
    return _Version((int(match[1]), int(match[2]), int(match[3] or 0)), match[3] is None, words)


def _holds(version: _Version, operator: str, wanted: _Version) -> bool:
    match operator:
        case "==":
            return version.key == wanted.key
        case "!=":
            return version.key != wanted.key
        case ">":
            return version.key > wanted.key
        case ">=":
            return version.key >= wanted.key
        case "<":
            return version.key < wanted.key
        case "<=":
            return version.key <= wanted.key
        case _:
            major, minor, _ = wanted.numbers
            # Not even a pre-release of the next one.
            end = _Version((major + 1, 0, 0) if wanted.short else (major, minor + 1, 0), False, ("0",))
            return wanted.key <= version.key < end.key
