"""Types for the settings, each with the source of its rule."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

# useradd(8) allows 32 characters; 31 leave room for one more. Unix users, PostgreSQL roles, systemd units and Erlang
# nodes all take these letters, so one name serves all of them without quotes.
_NAME = r"^[a-z][a-z0-9_]{0,30}$"
Name = Annotated[str, StringConstraints(pattern=_NAME)]


# An environment cannot hold NUL, and UTF-8 has no surrogates. A noncharacter makes systemd ignore the whole file of
# variables (utf8_is_valid in its sources).
_UNCARRIED = re.compile("[\0\ud800-\udfff\ufdd0-\ufdef]")


def systemd_carries(value: str) -> bool:
    """Whether systemd can give a process a variable with this value.

    + value: any text
    """
    return not _UNCARRIED.search(value) and not any(ord(character) & 0xFFFE == 0xFFFE for character in value)


def _text(value: str) -> str:
    if not systemd_carries(value):
        raise ValueError(
            "must not contain a NUL character, a surrogate or one of Unicode's noncharacters: systemd would read none of "
            "the variables"
        )
    return value


Text = Annotated[str, AfterValidator(_text)]


def _single_line(value: str) -> str:
    if not value or any(character in value for character in "\n\r\0"):
        raise ValueError("must be one line that is not empty")
    return _text(value)


SingleLine = Annotated[str, AfterValidator(_single_line)]


def _absolute_path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._@+-]+)+", value) or ".." in value.split("/"):
        raise ValueError("must be an absolute path of letters, digits and . _ @ + -")
    # PATH_MAX, which counts a NUL at the end, and NAME_MAX of linux/limits.h.
    if len(value) > 4095 or any(len(part) > 255 for part in value.split("/")):
        raise ValueError("must have at most 4095 characters, and 255 between two slashes")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute_path)]

# A directory below another one. No part begins with a dot or a dash: that would be "..", .git, or an option.
_RELATIVE_PATH = r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}){0,9}$"
RelativePath = Annotated[str, StringConstraints(pattern=_RELATIVE_PATH)]

# Elixir's module names, as Macro.camelize/1 makes them from application names. They are atoms of at most 255 characters
# (Erlang Efficiency Guide, "System Limits"); 200 leave room for the text that Elixir and the defaults add.
_MODULE = r"^[A-Z][A-Za-z0-9_]*(\.[A-Z][A-Za-z0-9_]*)*$"
ModuleName = Annotated[str, StringConstraints(max_length=200, pattern=_MODULE)]


_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,254}$"
VariableName = Annotated[str, StringConstraints(pattern=_VARIABLE)]


def _alias_name(value: str) -> str:
    if value == "alias":
        raise ValueError("must not be alias: bash would expand it in the lines of .bash_aliases below")
    return value


# Names of aliases that bash takes without quotes, except those that begin with a dash.
_ALIAS = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
AliasName = Annotated[str, StringConstraints(pattern=_ALIAS), AfterValidator(_alias_name)]

# PostgreSQL's extension names in Debian's packages: lower case, digits, _ and - (uuid-ossp).
_EXTENSION = r"^[a-z][a-z0-9_-]{0,62}$"
ExtensionName = Annotated[str, StringConstraints(pattern=_EXTENSION)]

Port = Annotated[int, Field(ge=1024, le=65535)]

# The unreserved characters of RFC 3986 except the tilde: the path needs no quotes in nginx or any other syntax.
_URL_PATH = r"^(/[A-Za-z0-9._-]+)+/?$|^/$"
UrlPath = Annotated[str, StringConstraints(max_length=200, pattern=_URL_PATH)]


def _elixir(value: str) -> str:
    """Elixir for a release's `eval`, as one argument. The release's script would cut it at these characters."""
    if not value or len(value) > 4000 or any(character in value for character in "\n\r\0"):
        raise ValueError("must be Elixir on one line")
    return _text(value)


Elixir = Annotated[str, AfterValidator(_elixir)]


def _repository(value: str) -> str:
    """A repository for git. A leading dash would be an option, and ext:: would run a command (git-fetch(1))."""
    if not re.fullmatch(r"[A-Za-z0-9_./~@:%+][A-Za-z0-9_./~@:%+-]*", value) or value.startswith(("ext::", "fd::")):
        raise ValueError("must be a URL or path that git fetches from, such as git@example.com:team/billing.git")
    if re.match(r"[a-z+]+://[^/@]*:[^/@]*@", value):
        raise ValueError("must hold no password: git would show it; use an SSH key or a credential helper")
    return value


RepositoryUrl = Annotated[str, AfterValidator(_repository)]

# Debian Policy 5.6.1.
_PACKAGE = r"^[a-z0-9][a-z0-9+.-]{1,100}$"
PackageName = Annotated[str, StringConstraints(pattern=_PACKAGE)]

# The name of a host in inventory.py.
_HOST = r"^[A-Za-z0-9@][A-Za-z0-9@/._-]{0,252}$"
HostName = Annotated[str, StringConstraints(pattern=_HOST)]

_TOOLCHAIN = r"^https://[A-Za-z0-9._/:+-]+$"
ToolchainUrl = Annotated[str, StringConstraints(max_length=500, pattern=_TOOLCHAIN)]

# A version of Elixir (Semantic Versioning) and of Erlang/OTP (OTP Versions in its System Principles).
_ELIXIR_VERSION = r"^(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})(-[0-9A-Za-z][0-9A-Za-z.-]{0,30})?$"
ElixirVersion = Annotated[str, StringConstraints(pattern=_ELIXIR_VERSION)]

_ERLANG_VERSION = r"^[1-9][0-9]{1,2}(\.(0|[1-9][0-9]{0,3})){1,5}(-rc[0-9]{1,2})?$"
ErlangVersion = Annotated[str, StringConstraints(pattern=_ERLANG_VERSION)]

# http:// as well: the checksum decides, not the server.
_SOURCE = r"^https?://([A-Za-z0-9._~/:+-]|\{version\}|\{otp\})+$"
SourceUrl = Annotated[str, StringConstraints(max_length=500, pattern=_SOURCE)]
# A host in the URL of a git repository, with a user before it and a port behind it where they are needed.
_GIT_HOST = r"^([A-Za-z0-9._+-]{1,100}@)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$"
GitHost = Annotated[str, StringConstraints(pattern=_GIT_HOST)]

# As authorities take it, one address of ASCII, which certbot does not take for an option.
_MAIL_ADDRESS = r"^[A-Za-z0-9][A-Za-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)+$"
MailAddress = Annotated[str, StringConstraints(max_length=254, pattern=_MAIL_ADDRESS)]

# Let's Encrypt's two, by their words, and any other by its directory (RFC 8555, 7.1.1).
AcmeDirectory = Annotated[
    str, StringConstraints(max_length=500, pattern=r"^(production|staging|https://[A-Za-z0-9._~/:+-]+)$")
]
AcmeProfile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]

# Names of TSIG keys are domain names (RFC 8945, 4.2).
_TSIG_KEY = r"^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$"
TsigKeyName = Annotated[str, StringConstraints(pattern=_TSIG_KEY)]

# Names of organizations on hex.pm, and of repositories in mix.exs.
_HEX_NAME = r"^[a-z][a-z0-9_-]{0,99}$"
HexName = Annotated[str, StringConstraints(pattern=_HEX_NAME)]

# The words of `mix hex.repo add`: URL, fingerprint of the public key, and the variable with the key.
_HEX_REPOSITORY = r"^https?://[A-Za-z0-9._/:+~-]{1,400} SHA256:[A-Za-z0-9+/]{43}( [A-Za-z_][A-Za-z0-9_]{0,254})?$"
HexRepository = Annotated[str, StringConstraints(pattern=_HEX_REPOSITORY)]

# A line of known_hosts(5): names or their hash, kind and base64 of a public key, perhaps a comment. No marker.
_KNOWN_HOST = (
    r"^[A-Za-z0-9\[\]|*?!.,:/+=_-]{1,500} (ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{60,2000}={0,2}"
    r"( [ -~]{0,200})?$"
)
KnownHost = Annotated[str, StringConstraints(pattern=_KNOWN_HOST)]

_SHA256 = r"^[0-9a-f]{64}$"
Sha256 = Annotated[str, StringConstraints(pattern=_SHA256)]


# Names of roles and databases at providers of PostgreSQL (defaultdb, postgres.tenant, user@server). PostgreSQL keeps 63
# bytes; a pooler may add the name of its tenant.
_DATABASE = r"^[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,127}$"
DatabaseName = Annotated[str, StringConstraints(pattern=_DATABASE)]


# In nginx's password file a colon ends the name and a leading # begins a comment (ngx_http_auth_basic_module.c). Browsers
# do not agree on the encoding of letters beyond ASCII.
def _basic_auth_user(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._@+-]{1,64}", value):
        raise ValueError("must be up to 64 letters, digits and . _ @ + - (a colon would end the name, in browsers too)")
    return value


BasicAuthUser = Annotated[str, AfterValidator(_basic_auth_user)]


# The message for a text that does not match a pattern.
WORDS = {
    _NAME: "must be up to 31 of a-z, 0-9 and _, the first a letter: it names a unix user, a PostgreSQL role and more",
    _MODULE: "must be the name of an Elixir module such as Billing.Repo",
    _VARIABLE: "must be up to 255 letters, digits and _, the first no digit: a shell takes no other name for a variable",
    _ALIAS: "must be up to 64 letters, digits and _ . -, the first no . or -: bash takes no other name for an alias",
    _EXTENSION: "must be the name of an extension as in pg_available_extensions, such as uuid-ossp",
    _URL_PATH: "must be a path such as /health, of letters, digits and . _ -",
    _PACKAGE: "must be the name of a Debian package",
    _HOST: "must be the name of a host in inventory.py",
    _RELATIVE_PATH: "must be a directory of the repository such as services/billing, of letters, digits and . _ + -",
    _TOOLCHAIN: "must be an https:// URL of letters, digits and . _ / : + -",
    _ELIXIR_VERSION: "must be a version of Elixir with three numbers, such as 1.18.4",
    _ERLANG_VERSION: "must be a version of Erlang/OTP with all its numbers, such as 27.3.4.1",
    _SOURCE: "must be an https:// or http:// URL of letters, digits and . _ ~ / : + -, with {version} and {otp} in it",
    _GIT_HOST: "must be the host of a repository's URL such as github.com, or user@git.example.com:8443",
    _TSIG_KEY: "must be the name of a TSIG key such as billing-prod, of letters, digits and . _ -",
    _HEX_NAME: "must be the name of an organization or a repository of Hex, such as acme",
    _HEX_REPOSITORY: "must be a URL, the fingerprint of its public key (SHA256:…) and the name of a key in build_secrets, "
    "with one space between",
    _KNOWN_HOST: "must be a line of known_hosts such as git.example.com ssh-ed25519 AAAA…, as ssh-keyscan prints it",
    _SHA256: "must be 64 hexadecimal digits in lower case, as sha256sum prints them",
    _DATABASE: "must be up to 128 letters, digits and _ . @ $ -, the first none of . @ $ -",
}
