"""The constrained types settings are made of, each with the rule it comes from."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

# useradd(8) allows 32 characters; 31 leave room for one more. Unix users, PostgreSQL roles, systemd units and Erlang
# nodes all take these letters, so one name serves as each of them without quoting.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def _server_name(value: str) -> str:
    """RFC 1035 2.3.4: labels of up to 63 characters, 253 in all. Wildcards and regular expressions are refused."""
    if len(value) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", value):
        raise ValueError("must be a host name in lower case such as stage.example.com (Punycode for other alphabets)")
    return value


ServerName = Annotated[str, AfterValidator(_server_name)]


def _single_line(value: str) -> str:
    if not value or any(character in value for character in "\n\r\0"):
        raise ValueError("must be one line that is not empty")
    return value


SingleLine = Annotated[str, AfterValidator(_single_line)]


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain a NUL character: neither the environment of a process nor a text file can")
    return value


Text = Annotated[str, AfterValidator(_no_nul)]


def _absolute_path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._@+-]+)+", value) or ".." in value.split("/"):
        raise ValueError("must be an absolute path of letters, digits and . _ @ + -")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute_path)]

# Elixir's module names: Macro.camelize/1 makes them from application names.
ModuleName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9_]*(\.[A-Z][A-Za-z0-9_]*)*$")]

# `name@host`, as Erlang's -name wants it. "billing_stage.0.0.1" without the @ starts a node nobody can reach.
NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+@[a-z0-9.-]+$")]

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]

# What bash takes as an alias name without quoting, less what begins with a dash.
AliasName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]

# PostgreSQL's extension names in Debian's packages: lower case, digits, _ and - (uuid-ossp).
ExtensionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]

Port = Annotated[int, Field(ge=1024, le=65535)]
