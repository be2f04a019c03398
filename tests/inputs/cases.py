"""Cases: the group data of one environment and its vault, as an operator might write them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hypothesis import strategies as st

from group_data.schema.secrets import Secrets, is_variable
from tests.inputs.text import hostile_text, seldom
from tests.inputs.values import FIELDS, hostile, ordinary

# Settings that need each other, with all they need; {} stands for the case's number.
_DNS = {"acme_dns": "rfc2136", "acme_dns_server": "192.0.2.53", "acme_dns_key": "billing"}
_TLS: tuple[dict[str, Any], ...] = (
    {},
    {"tls": "self_signed"},
    {"tls": "acme"},
    {"tls": "acme", "acme_directory": "https://acme.example.com/{}/dir", "hsts": True},
    {"tls": "acme", "additional_domains": ["*.app{}.example.com"]} | _DNS,
    {"tls": "acme", "redirect_to": "app{}.example.com", "additional_domains": ["*.app{}.example.com"]} | _DNS,
    *[
        {"tls": "provided", "tls_certificate": "/srv/{}/a.pem", "tls_key": "/srv/{}/a.key"} | hsts
        for hsts in (
            {},
            {"hsts": True},
            {"hsts": True, "hsts_include_subdomains": True},
            {"hsts": True, "hsts_include_subdomains": True, "hsts_preload": True},
        )
    ],
)

# Likewise for the database: the machine's own, with which all that says where another is are refused, or somebody else's.
_DATABASE: tuple[dict[str, Any], ...] = (
    {},
    {"database_managed": False},
    {"database_managed": False, "database_host": "db.example.com", "database_tls": "verified"},
)

# Enough for Phoenix, and no more than any rule of the vault allows.
_FILLER = "".join(f"{number:04}" for number in range(1000, 1016))


@dataclass(frozen=True)
class Drawn:
    """The unusual parts of a case.

    + tls: number of the combination of TLS settings
    + database: number of the combination of database settings
    + settings: group data, by setting
    + secrets: of the vault, by key
    + style: number of the TOML syntax for the vault's values
    """

    tls: int
    database: int
    settings: dict[str, Any]
    secrets: dict[str, Any]
    style: int


@dataclass(frozen=True)
class Case:
    """One environment as somebody wrote it.

    + number: makes names, port and domain unique, unless they are drawn
    + drawn: the rest
    """

    number: int
    drawn: Drawn

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The group data."""
        tls = {key: _numbered(value, self.number) for key, value in _TLS[self.drawn.tls].items()}
        usual = {
            "app": f"app{self.number}",
            "environment": f"stage{self.number}",
            "domain": f"app{self.number}.example.com",
            "port": 10_000 + self.number,
            "appsignal": True,
        }
        named = {"secret_variables": [key for key in self.drawn.secrets if is_variable(key)]}
        return usual | tls | _DATABASE[self.drawn.database] | named | self.drawn.settings

    @cached_property
    def secrets(self) -> dict[str, Any]:
        """The vault's values by key."""
        return {key: f"{key[0]}{self.number:07}{_FILLER[8:]}" for key in Secrets.model_fields} | self.drawn.secrets

    @property
    def vault(self) -> str:
        """The vault's text, in TOML."""
        lines = [f"{_toml_key(key)} = {_toml(value, self.drawn.style)}\n" for key, value in self.secrets.items()]
        return "".join(lines)


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, list):
        return [_numbered(part, number) for part in value]
    return value.format(number) if isinstance(value, str) else value


# Each setting once, and the ones that carry free text as often as all others together.
_NAMES = st.sampled_from([*FIELDS, *["unit_environment", "aliases"] * (len(FIELDS) // 2)])
_ORDINARY = {name: ordinary(name) for name in FIELDS}
_HOSTILE = {name: hostile(name) for name in FIELDS}

# Padded, so that the rules on length let hostile text through to the ones that read it.
_PADDED = st.one_of(hostile_text.map(lambda text: text + _FILLER), hostile_text.map(lambda text: _FILLER + text))
_ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(lambda text: text + _FILLER)
_NO_TEXT = st.sampled_from([5_318_008, True, 0.57721, [1234567890123], {"inner": "1234567890"}])
_SECRET = seldom(_NO_TEXT, seldom(hostile_text, _PADDED | _ASCII, one_in=8), one_in=30)
_ANY_KEY = st.sampled_from(["_a", "A-B", "a b", 'a"b', "a\nb", "a: 1, b", "\x1b[31m", "é", "", "a" * 256])
_WORDS = ["nil", "true", "do", "end", "fn", "when", "and", "in", "a" * 255, "api_key", "private_key"]
_KEY = (
    st.sampled_from([*_WORDS, *Secrets.model_fields, *["database_password"] * 3])
    | st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
    | st.from_regex(r"SECRET_[A-Za-z0-9_]{0,30}", fullmatch=True)
)
_SECRETS = st.dictionaries(seldom(_ANY_KEY, _KEY, one_in=20), _SECRET, max_size=3)


@st.composite
def _settings(draw: st.DrawFn) -> dict[str, Any]:
    # One as an operator writes it in every case, so that each setting arrives now and then.
    first = draw(st.sampled_from(list(FIELDS)))
    settings = {first: draw(_ORDINARY[first])}
    for name in draw(st.lists(_NAMES, max_size=2, unique=True)):
        # Hostile values of most settings are refused, and then nothing of the case arrives anywhere.
        trying = name in {"unit_environment", "aliases"} or draw(st.integers(0, 4)) == 1
        settings[name] = draw(_HOSTILE[name] if trying else _ORDINARY[name])
    return settings


cases: st.SearchStrategy[Drawn] = st.builds(
    Drawn,
    tls=st.integers(0, len(_TLS) - 1),
    database=st.integers(0, len(_DATABASE) - 1),
    settings=_settings(),
    secrets=_SECRETS,
    style=st.integers(0, 3),
)


# --- TOML ------------------------------------------------------------------------------------------------------------


def _toml_key(key: str) -> str:
    return key if key.isascii() and key.isidentifier() else _escaped(key)


def _toml(value: Any, style: int) -> str:
    """A value in one of the ways to write it (https://toml.io/en/v1.0.0#string), or the one that takes any text."""
    if not isinstance(value, str):
        return "{ inner = '1234567890' }" if isinstance(value, dict) else str(value).lower()
    plain = value.isprintable()
    if style == 1 and plain and "'" not in value:
        return f"'{value}'"
    if style == 2 and plain and not value.endswith("'") and "'''" not in value:
        return f"'''\n{value}'''"
    if style == 3 and plain:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"""{quoted}"""'
    return _escaped(value)


def _escaped(value: str) -> str:
    special = {ord(character): f"\\U{ord(character):08X}" for character in set(value) if not _is_plain(character)}
    return '"' + value.translate(special) + '"'


def _is_plain(character: str) -> bool:
    return character.isascii() and character.isalnum()
