"""The secrets in the vault of one environment.

No value is ever part of a message, a repr or an error's text: a rule that refuses one names the key alone.
"""

import re
import stringprep
import unicodedata
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from group_data.schema.types import systemd_carries

# RFC 4013, 2.3 (prohibited output, RFC 3454 tables C.1.2 to C.9) and 2.5 (unassigned code points, table A.1).
_SASLPREP_REFUSES = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)

# Far more than a key or a certificate needs; a file pasted by mistake is larger.
_VALUE_BYTES = 64 * 1024

# execve(2) takes 2 MiB of arguments and environment in all; half of it is left for everything else.
_VARIABLES_BYTES = 1024 * 1024


def is_saslprep_stable(value: str) -> bool:
    """Whether SASLprep (RFC 4013) accepts a string and leaves it unchanged.

    PostgreSQL and libpq hash a password after SASLprep, or unchanged if SASLprep refuses it. Postgrex always hashes the raw
    bytes. All of them compute the same hash only for a stable password.

    + value: the password; without surrogates
    """
    if any(stringprep.in_table_b1(c) or any(refuses(c) for refuses in _SASLPREP_REFUSES) for c in value):
        return False
    # RFC 3454 uses Unicode 3.2, PostgreSQL newer tables of its own. Neither may change the password.
    if {unicodedata.normalize("NFKC", value), unicodedata.ucd_3_2_0.normalize("NFKC", value)} != {value}:
        return False
    # RFC 3454, 6: right-to-left text stands alone and both begins and ends the string.
    right_to_left = [stringprep.in_table_d1(c) for c in value]
    if not any(right_to_left):
        return True
    return right_to_left[0] and right_to_left[-1] and not any(stringprep.in_table_d2(c) for c in value)


def _text_problems(value: str) -> Iterator[str]:
    if "\0" in value:
        yield "holds a NUL character, which neither a process environment nor PostgreSQL can carry"
    if re.search("[\ud800-\udfff]", value):
        yield "holds a surrogate, which UTF-8 cannot carry"
    elif len(value.encode()) > _VALUE_BYTES:
        yield f"is larger than {_VALUE_BYTES // 1024} KiB"


def _variable_problems(value: str) -> Iterator[str]:
    # The text of a variable: NUL and surrogates are refused for every value.
    if "\0" not in value and not re.search("[\ud800-\udfff]", value) and not systemd_carries(value):
        yield "holds one of Unicode's noncharacters: systemd would read none of the variables"


def _password_problems(value: str) -> Iterator[str]:
    # 8: NIST SP 800-63B, 5.1.1.1. 1024: this project's own bound, some 25 times a generated password.
    if not 8 <= len(value) <= 1024:
        yield "must have 8 to 1024 characters"
    if not is_saslprep_stable(value):
        yield (
            "holds a character that SASLprep (RFC 4013) changes or refuses, so that PostgreSQL and Postgrex would hash "
            "different passwords: use letters, digits and punctuation"
        )


def _secret_key_base_problems(value: str) -> Iterator[str]:
    # Plug.Session.COOKIE raises below 64 bytes: "cookie store expects conn.secret_key_base to be at least 64 bytes".
    if len(value.encode(errors="surrogatepass")) < 64:
        yield "must have at least 64 bytes, or Phoenix refuses to sign sessions with it"


def _cookie_problems(value: str) -> Iterator[str]:
    # An atom has at most 255 characters (Erlang Efficiency Guide, "System Limits"), and `auth` takes only printable
    # ASCII from ~/.erlang.cookie; 20 is the length of the cookie Erlang makes itself. `-setcookie -x` sets no cookie.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{19,254}", value):
        yield "must be 20 to 255 letters, digits, _ and -, the first not a - (a command line takes that for an option)"


def _basic_auth_password_problems(value: str) -> Iterator[str]:
    # 8: the same as for database_password. 72: bcrypt ignores the rest without a message.
    if not 8 <= len(value) <= 72:
        yield "must have 8 to 72 characters: bcrypt ignores more"
    # Browsers do not agree on the encoding of other characters (RFC 7617, 2.1), and nobody can type control characters.
    if not re.fullmatch(r"[ -~]*", value):
        yield "may hold only ASCII letters, digits, punctuation and spaces: browsers do not agree on how to send others"


def _tsig_problems(value: str) -> Iterator[str]:
    # RFC 8945, 4.2: any bytes; name servers write them in base64. 8 and 512: nobody has less or needs more.
    try:
        size = len(b64decode(value, validate=True))
    except ValueError:
        size = 0
    if not 8 <= size <= 512:
        yield "must be the secret of a TSIG key in base64, as tsig-keygen prints it"


def _holds(*rules: Callable[[str], Iterator[str]]) -> BeforeValidator:
    """A validator that refuses other types than str, and reports every rule that a str breaks."""

    def check(value: Any) -> SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            raise PydanticCustomError("not_text", "must be a string in quotes")
        problems = [problem for rule in rules for problem in rule(text)]
        if problems:
            raise PydanticCustomError("secret", "{problems}", {"problems": "; ".join(problems)})
        return SecretStr(text)

    return BeforeValidator(check)


def is_variable(name: str) -> bool:
    """Whether a key of a vault is the name of an environment variable: it has a capital letter.

    + name: the key
    """
    return bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", name)) and name != name.lower()


def group_data_line(names: Iterable[str]) -> str:
    """The line of group data that names these variables.

    + names: of the variables; each counts once
    """
    quoted = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
    return f"secret_variables = [{quoted}]"


def _key(name: str) -> str:
    # 255: the limit of an atom, and the application reads the key as one.
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,254}", name) and not is_variable(name):
        raise PydanticCustomError(
            "key", "is no key: keys are lower_snake_case, or the name of an environment variable such as STRIPE_KEY"
        )
    return name


_Text = Annotated[SecretStr, _holds(_text_problems)]


class Secrets(BaseModel):
    """The content of a vault: the keys below, any other lower_snake_case key for the secret file, and variables.

    A variable is a key with a capital letter; secret_variables in group data names it. Every value is text of at most
    64 KiB without NUL. Show the ValidationError of a refused vault through
    `describe_problems` only: pydantic keeps the values in its `errors()`.

    + database_password: password of the environment's PostgreSQL role; 8 to 1024 characters that SASLprep does not change
    + secret_key_base: Phoenix derives the keys of sessions and tokens from it; at least 64 bytes
    + cookie: Erlang's distribution cookie; 20 to 255 letters, digits, `_` and `-`
    + appsignal_push_api_key: AppSignal's key, if the application reports to AppSignal
    + basic_auth_password: password for browsers, if group data sets basic_auth_user; 8 to 72 ASCII characters
    + acme_dns_secret: secret of the TSIG key, if group data sets acme_dns; base64, from the name server
    """

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[Annotated[str, AfterValidator(_key)], _Text]

    database_password: Annotated[SecretStr, _holds(_text_problems, _password_problems)]
    secret_key_base: Annotated[SecretStr, _holds(_text_problems, _variable_problems, _secret_key_base_problems)]
    cookie: Annotated[SecretStr, _holds(_text_problems, _cookie_problems)]
    appsignal_push_api_key: Annotated[SecretStr, _holds(_text_problems, _variable_problems)] | None = None
    basic_auth_password: Annotated[SecretStr, _holds(_text_problems, _basic_auth_password_problems)] | None = None
    acme_dns_secret: Annotated[SecretStr, _holds(_text_problems, _tsig_problems)] | None = None

    @property
    def application(self) -> Mapping[str, SecretStr]:
        """The application's own keys for the secret file, in the order of the vault; read-only."""
        return MappingProxyType({key: value for key, value in self.__pydantic_extra__.items() if not is_variable(key)})

    @property
    def variables(self) -> Mapping[str, SecretStr]:
        """The application's own variables, in the order of the vault; read-only."""
        return MappingProxyType({key: value for key, value in self.__pydantic_extra__.items() if is_variable(key)})

    @model_validator(mode="after")
    def _reach_a_process(self) -> Self:
        problems = [
            InitErrorDetails(
                type=PydanticCustomError("secret", "{problem}", {"problem": problem}), loc=(name,), input=None
            )
            for name, value in self.variables.items()
            for problem in _variable_problems(value.get_secret_value())
        ]
        sizes = [len(name) + len(value.get_secret_value().encode()) for name, value in self.variables.items()]
        if sum(sizes) > _VARIABLES_BYTES:
            problem = f"its variables are larger than {_VARIABLES_BYTES // 1024} KiB together: no process can start so"
            problems.append(InitErrorDetails(type=PydanticCustomError("secret", problem), loc=(), input=None))
        if problems:
            raise ValidationError.from_exception_data(type(self).__name__, problems, hide_input=True)
        return self


REQUIRED_KEYS = tuple(name for name, field in Secrets.model_fields.items() if field.is_required())


def describe_problems(error: ValidationError) -> list[str]:
    """One line for each wrong key, with its name and never its value.

    + error: raised by `Secrets`
    """
    problems: dict[str, list[str]] = {}
    for item in error.errors(include_input=False, include_context=False, include_url=False):
        name = _shown(str(item["loc"][0])) if item["loc"] else "the vault"
        text = "is missing" if item["type"] == "missing" else item["msg"]
        problems.setdefault(name, []).append(text)
    return [f"{name}: {'; '.join(texts)}" for name, texts in problems.items()]


def _shown(name: str) -> str:
    # A quoted TOML key may hold any text, also newlines and escape sequences. A long one may be a pasted value.
    return name if re.fullmatch(r"\w{1,255}", name, re.ASCII) else ascii(name[:32])
