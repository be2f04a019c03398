"""The text of docs/group-data.md, from the models.

Everything in it is derived: type, bounds, default, example, unit and meaning from the fields of `Settings`, what follows
from them from the properties of `Environment`, the vault's keys from `Secrets`.
"""

import re
import types as python_types
from functools import cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from group_data.schema import addresses, types
from group_data.schema.environment import Environment
from group_data.schema.paths import CHECKOUT
from group_data.schema.secrets import Secrets
from group_data.schema.settings import Settings

FILE = CHECKOUT / "docs/group-data.md"

# The heading that comes before a setting; settings appear in the order of the model.
SECTIONS = {
    "app": "Application and environment",
    "domain": "Site",
    "tls": "TLS",
    "hsts": "HSTS",
    "allowed_addresses": "Who may use the site",
    "release_tool": "Release",
    "database_managed": "Database",
    "aliases": "Shell and AppSignal",
    "restart": "Unit",
    "journal_limit": "Machine",
    "vault_directory": "Vault",
}

INTRODUCTION = """\
# Group data

<!-- Made by `make docs` from group_data/schema: change it there. -->

What an environment may set, as literals at the top level of `group_data/all.py`, for all, or of its own file, such as
`group_data/stage.py`, which wins. Any other key is refused, except those that are pyinfra's own, `ssh_…` and `_…`.
"""

# An environment as the examples of this file have it, to show what follows from its settings.
EXAMPLE = {
    "app": "billing",
    "environment": "stage",
    "domain": "stage.billing.example.com",
    "port": 4001,
    "tls": "self_signed",
}


def text() -> str:
    """The whole of docs/group-data.md."""
    return "\n".join([INTRODUCTION, *_settings(), *_kinds(), *_derived(), *_secrets()]).rstrip("\n") + "\n"


def _settings() -> list[str]:
    lines = []
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            lines.append(f"## {SECTIONS[name]}\n")
        default = (
            "none, it must be set"
            if field.is_required()
            else f"`{_literal(field.get_default(call_default_factory=True))}`"
        )
        shown = " or ".join(f"`{name} = {_literal(example)}`" for example in examples(field))
        lines += [
            f"### `{name}`\n",
            f"{field.description}\n",
            f"- takes: {_takes(name, field)}",
            f"- default: {default}",
            f"- example: {shown}\n",
        ]
    return lines


def examples(field: FieldInfo) -> list[Any]:
    """What a setting may be set to: its own examples or, where it can be told from the type, other values than the default.

    + field: of Settings
    """
    values = [True, False] if field.annotation is bool else get_args(field.annotation)
    if field.examples is None and (field.annotation is bool or get_origin(field.annotation) is Literal):
        return [value for value in values if value != field.default]
    return field.examples or []


def unit(field: FieldInfo) -> str | None:
    """What a number counts.

    + field: of Settings
    """
    extra = field.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) and "unit" in extra else None


def _takes(name: str, field: FieldInfo) -> str:
    words = _words(get_type_hints(Settings, include_extras=True)[name])
    parts = [f"{words} ({counted})" if (counted := unit(field)) else words]
    bounds = {
        key: value
        for rule in field.metadata
        for key in ("ge", "le", "max_length")
        if (value := getattr(rule, key, None)) is not None
    }
    if "ge" in bounds:
        parts.append(f"{bounds['ge']} to {bounds['le']}")
    if "max_length" in bounds:
        parts.append(f"at most {bounds['max_length']} characters")
    return ", ".join(parts)


# Every type of the schema, by name.
KINDS = vars(types) | vars(addresses)


def _words(hint: Any) -> str:
    """A type in plain words; a kind of text by its name."""
    if kind := _kind_of(hint):
        return f"[{kind}](#kinds-of-text)"
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(f"`{_literal(value)}`" for value in arguments)
    if origin in (Union, python_types.UnionType):
        return " or ".join("`None`" if value is type(None) else _words(value) for value in arguments)
    if origin is tuple:
        return f"list, each a {_words(arguments[0])}"
    if origin is dict:
        return f"dictionary, from {_words(arguments[0])} to {_words(arguments[1])}"
    return {bool: "`True` or `False`", int: "whole number", str: "text"}[hint]


def _kind_of(hint: Any) -> str | None:
    """`server name` for `ServerName`; None for what is no constrained text."""
    if get_origin(hint) is not Annotated or get_args(hint)[0] is not str:
        return None
    name = next((name for name, alias in KINDS.items() if alias == hint), None)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() if name else None


def _kinds() -> list[str]:
    """Every kind of text, with the message for a wrong one."""
    lines = ["## Kinds of text\n", "| kind | rule |", "|---|---|"]
    for alias in KINDS.values():
        if kind := _kind_of(alias):
            lines.append(f"| {kind} | {_cell(_refusal(alias))} |")
    return [*lines, ""]


def _refusal(alias: Any) -> str:
    try:
        # No kind of text takes a NUL character.
        TypeAdapter(alias).validate_python("\0")
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        return re.sub(r"^String should match pattern '(.*)'$", r"must match `\1`", message)
    raise ValueError(f"{alias} takes a NUL character")


def _derived() -> list[str]:
    shown = Environment.model_validate(EXAMPLE)
    lines = [
        "## What follows\n",
        "No name is written twice: operations and templates take it from here. With these settings, and defaults else:\n",
        *[f"    {name} = {_literal(value)}" for name, value in EXAMPLE.items()],
        "",
        "| name | value | meaning |",
        "|---|---|---|",
    ]
    for name, attribute in vars(Environment).items():
        if isinstance(attribute, property | cached_property) and not name.startswith("_"):
            function = attribute.func if isinstance(attribute, cached_property) else attribute.fget
            meaning = " ".join((function.__doc__ or "").split())
            lines.append(f"| `{name}` | {_cell(_value(getattr(shown, name)))} | {_cell(meaning)} |")
    return [*lines, ""]


def _secrets() -> list[str]:
    lines = [
        "## Secrets\n",
        "Keys of `vault/<environment>.age`, never of group data. `make vault-init` makes those that are required, "
        "`make vault-edit` changes them. Any other lower_snake_case key is the application's own.\n",
        "| key | required | meaning |",
        "|---|---|---|",
    ]
    for name, field in Secrets.model_fields.items():
        lines.append(f"| `{name}` | {'yes' if field.is_required() else 'no'} | {_cell(secret_meanings()[name])} |")
    return [*lines, ""]


def secret_meanings() -> dict[str, str]:
    """What the docstring of `Secrets` says of each key."""
    described = re.findall(r"^\s*\+ (\w+): (.*(?:\n +(?![+\s]).*)*)", Secrets.__doc__ or "", re.MULTILINE)
    return {name: " ".join(meaning.split()) for name, meaning in described}


def _literal(value: Any) -> str:
    """As one writes it in group data, where lists are what tuples become."""
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if '"' in text else text.replace("'", '"')


def _value(value: Any) -> str:
    if not value and isinstance(value, dict | list | tuple):
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"`{key}`: `{item}`" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"


def _cell(content: str) -> str:
    return content.replace("|", "\\|")
