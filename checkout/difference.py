"""One difference between a checkout and an environment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from checkout.values import Setting, Unknown, shown

# A cookie is a secret, so no message shows one.
LITERAL_COOKIE = "readable in this file"

COOKIE = "its own cookie in $HOME/.erlang.cookie"


@dataclass(frozen=True)
class Difference:
    """A setting with one value in the application and another in an environment.

    + environment: short name
    + setting: e.g. "port"
    + application: the value in the application's file
    + expected: the value of the environment
    + file: relative to the checkout
    + line: counted from 1
    + hint: what would make the difference go away, such as a setting of group data; empty if app-apply mends it or the two
      values say it
    """

    environment: str
    setting: str
    application: str
    expected: str
    file: str
    line: int
    hint: str = ""

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.setting} of {self.environment} is {self.application}, and the environment has "
            f"{self.expected}{self.hint and ': '}{self.hint}"
        )


class Compared(NamedTuple):
    """The fields of a Difference but for the environment."""

    setting: str
    application: str
    expected: str
    file: str
    line: int
    hint: str = ""


def compare_setting(name: str, setting: Setting, expected: object, *others: object) -> Iterator[Compared]:
    """The difference, if a value is neither the expected one nor an equivalent.

    + name: of the setting
    + setting: its value in the application
    + expected: the environment's value
    + others: values with the same meaning
    """
    if not any(setting.value == other and type(setting.value) is type(other) for other in (expected, *others)):
        yield Compared(name, shown_value(setting.value), shown_value(expected), setting.file, setting.line)


def shown_value(value: object) -> str:
    """A value for people.

    + value: None for a setting that is missing
    """
    return "not set" if value is None else value.text if isinstance(value, Unknown) else shown(value)


def cookie_flag(found: dict[str, Setting]) -> Iterator[Compared]:
    """The difference for a vm.args with a cookie.

    + found: its flags
    """
    if cookie := found.get("-setcookie"):
        # Distillery fills this template from rel/config.exs, so it shows no secret.
        there = str(cookie.value) if str(cookie.value).startswith("<%") else LITERAL_COOKIE
        yield Compared("cookie", there, COOKIE, cookie.file, cookie.line)
