"""Values for each setting, drawn from the model, so a new setting needs no change here.

A type that its annotation does not tell needs an entry in `_ORDINARY`, or `examples` on its field.
"""

import types
import typing
from typing import Annotated, Any, Literal, Union

import annotated_types
from hypothesis import strategies as st
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from group_data.schema import addresses
from group_data.schema import types as settings_types
from group_data.schema.settings import Settings
from tests.inputs.text import FRAGMENTS, hostile_text, seldom

_LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?", fullmatch=True)
_WORDS = st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True)

# Ordinary values for the types whose rule is a function.
_ORDINARY: dict[Any, st.SearchStrategy[Any]] = {
    addresses.ServerName: st.lists(_LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"])),
    addresses.DatabaseHost: st.lists(_WORDS.map(str.lower), max_size=3).map(lambda labels: ".".join([*labels, "net"])),
    addresses.Network: st.ip_addresses().map(str).filter(lambda address: not address.startswith("::")),
    settings_types.BasicAuthUser: _WORDS,
    settings_types.SingleLine: st.lists(_WORDS, min_size=1, max_size=5).map(" ".join),
    settings_types.Text: st.lists(_WORDS, max_size=5).map(" ".join),
    settings_types.AbsolutePath: st.lists(_WORDS, min_size=1, max_size=4).map(lambda words: "/" + "/".join(words)),
    str: _WORDS,
}

# Left out of the cases: Elixir by intention, where vaults lie and with which key they open. The keys of a case's vault
# decide secret_variables. The settings for private dependencies name each other and keys of the vault.
EXCLUDED = frozenset(
    {
        "secret_file_extra", "vault_directory", "vault_identity", "secret_variables", "build_secrets", "build_git_tokens",
        "build_hex_organizations", "build_hex_repositories", "build_deploy_key", "build_known_hosts",
    }
)  # fmt: skip

FIELDS: dict[str, FieldInfo] = {name: field for name, field in Settings.model_fields.items() if name not in EXCLUDED}
_TYPES = typing.get_type_hints(Settings, include_extras=True)


def ordinary(name: str) -> st.SearchStrategy[Any]:
    """Values of a setting that its type accepts; rules with other settings may still refuse them.

    + name: the setting

    Raises TypeError for an unknown type without examples.
    """
    field = FIELDS[name]
    try:
        return _of_type(_TYPES[name], field.metadata, name)
    except TypeError:
        if field.examples:
            return st.sampled_from(field.examples)
        raise


def hostile(name: str) -> st.SearchStrategy[Any]:
    """Values of an attacker: mostly wrong, and right where the type of the setting takes any text.

    + name: the setting
    """
    return _hostile(_TYPES[name], ordinary(name))


def _of_type(annotation: Any, metadata: list[Any], name: str) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _ORDINARY:
        return _ORDINARY[annotation]
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return _integers(metadata, name)
    if origin is Annotated:
        pattern = next((rule.pattern for rule in arguments[1:] if isinstance(rule, StringConstraints)), None)
        if isinstance(pattern, str):
            return st.from_regex(pattern.removesuffix("$") + r"\Z", alphabet=st.characters(max_codepoint=126))
        constraints = [rule for field in arguments[1:] for rule in getattr(field, "metadata", [field])]
        return _of_type(arguments[0], constraints, name) if arguments[0] is not str else _unknown(annotation, name)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, types.UnionType}:
        return st.one_of([st.none() if part is types.NoneType else _of_type(part, [], name) for part in arguments])
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(_of_type(arguments[0], [], name), max_size=4)
    if origin is dict:
        return st.dictionaries(*[_of_type(part, [], name) for part in arguments], max_size=4)
    return _unknown(annotation, name)


def _integers(metadata: list[Any], name: str) -> st.SearchStrategy[int]:
    low = next((rule.ge for rule in metadata if isinstance(rule, annotated_types.Ge)), None)
    high = next((rule.le for rule in metadata if isinstance(rule, annotated_types.Le)), None)
    if not isinstance(low, int) or not isinstance(high, int):
        raise TypeError(f"{name} is a number without bounds: give it ge and le")
    return st.sampled_from([low, high]) | st.integers(low, high)


def _unknown(annotation: Any, name: str) -> st.SearchStrategy[Any]:
    raise TypeError(
        f"no values are known for {name}, {annotation}: add the type to _ORDINARY in tests/inputs/values.py, or examples to "
        "the setting"
    )


def _hostile(annotation: Any, usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {Union, types.UnionType}:
        part = next(part for part in arguments if part is not types.NoneType)
        return _hostile(part, usual.filter(lambda value: value is not None))
    if origin is Literal or annotation in {bool, int} or (origin is Annotated and arguments[0] is int):
        return _MISFITS | hostile_text
    if origin is tuple:
        return _MISFITS | st.lists(_text(arguments[0]), min_size=1, max_size=3)
    if origin is dict:
        keys, values = (_text(part) for part in arguments)
        right = st.dictionaries(seldom(keys, _NAMES, one_in=20), values, min_size=1, max_size=3)
        return seldom(_MISFITS, right, one_in=20)
    return seldom(_MISFITS, _text(annotation), one_in=4)


def _text(annotation: Any) -> st.SearchStrategy[str]:
    """Any text, and right text with a wrong beginning or end, which a careless pattern accepts."""
    right = _of_type(annotation, [], "a part of a setting") if annotation in _ORDINARY else _WORDS
    pieces = st.sampled_from(FRAGMENTS)
    return st.one_of(hostile_text, st.builds(str.__add__, right, pieces), st.builds(str.__add__, pieces, right))


# Keys that a dictionary takes, so that hostile values get beyond them: names of variables and of aliases.
_NAMES = st.sampled_from(["A", "LC_ALL", "IFS", "BASH_ENV", "x_1", "alias", "if", "cd", "unalias", "set", "logs"])
_MISFITS: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, -1, 10**30, 1.5, float("nan"), True, "", "1", "on", (), [], [[]], {}, {"a": {}}, b"x", {1: 2}]
)
