"""The rules of a vault's content. A refusal never shows a value."""

import stringprep
import traceback
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from group_data.schema.secrets import REQUIRED_KEYS, Secrets, describe_problems, is_saslprep_stable

GOOD = {"database_password": "correct-horse", "secret_key_base": "s" * 64, "cookie": "c" * 20}


def refusal(**changes: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Secrets.model_validate({**GOOD, **changes})
    return describe_problems(caught.value)


def test_free_keys_are_the_applications() -> None:
    secrets = Secrets.model_validate({**GOOD, "mailer_key": "m", "application": "a"})
    assert {name: value.get_secret_value() for name, value in secrets.application.items()} == {
        "mailer_key": "m",
        "application": "a",
    }
    assert secrets.database_password.get_secret_value() == GOOD["database_password"]
    assert secrets.appsignal_push_api_key is None


def test_keys_with_a_capital_letter_are_variables() -> None:
    secrets = Secrets.model_validate({**GOOD, "mailer_key": "m", "STRIPE_KEY": "s", "Mixed_1": "x", "_A": "y"})
    assert {name: value.get_secret_value() for name, value in secrets.variables.items()} == {
        "STRIPE_KEY": "s", "Mixed_1": "x", "_A": "y",
    }  # fmt: skip
    assert list(secrets.application) == ["mailer_key"]


@pytest.mark.parametrize("key", ["STRIPE_KEY", "secret_key_base", "appsignal_push_api_key"])
@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\U0010ffff", "\ufdd0", "\ufdef"])
def test_a_variable_holds_only_what_systemd_reads(key: str, character: str) -> None:
    """Any other text arrives: tests/inputs asks systemd itself."""
    assert refusal(**{key: "x" * 64 + character}) == [
        f"{key}: holds one of Unicode's noncharacters: systemd would read none of the variables"
    ]
    Secrets.model_validate({**GOOD, "mailer_key": character})


def test_all_variables_together_fit_into_a_process() -> None:
    many = {f"V{number}": "x" * 60_000 for number in range(17)}
    Secrets.model_validate({**GOOD, **many})
    assert refusal(**many, V17="x" * 60_000) == [
        "the vault: its variables are larger than 1024 KiB together: no process can start so"
    ]


def test_required_keys() -> None:
    assert REQUIRED_KEYS == ("database_password", "secret_key_base", "cookie")


def test_nothing_can_be_changed() -> None:
    secrets = Secrets.model_validate({**GOOD, "mailer_key": "m"})
    with pytest.raises(ValidationError):
        secrets.cookie = SecretStr("other")  # type: ignore[misc]
    with pytest.raises(ValidationError):
        secrets.mailer_key = SecretStr("other")  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        secrets.application["mailer_key"] = SecretStr("other")  # type: ignore[index]


def test_no_value_in_repr_or_dump() -> None:
    secrets = Secrets.model_validate({**GOOD, "mailer_key": "swordfish"})
    for text in (
        repr(secrets),
        str(secrets),
        repr(secrets.application),
        str(secrets.model_dump()),
        secrets.model_dump_json(),
    ):
        assert "swordfish" not in text
        assert "correct-horse" not in text


def test_all_problems_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        Secrets.model_validate({"database_password": "a\0", "cookie": "short", "Mail-er": "m", "port": 4})
    lines = describe_problems(caught.value)
    assert [line.split(":")[0] for line in lines] == [
        "database_password",
        "secret_key_base",
        "cookie",
        "'Mail-er'",
        "port",
    ]
    assert "NUL" in lines[0]
    assert "8 to 1024" in lines[0]
    assert lines[1] == "secret_key_base: is missing"


@pytest.mark.parametrize("value", [1, 1.5, True, None, ["swordfish"], {"swordfish": "swordfish"}, b"swordfish"])
@pytest.mark.parametrize("key", [*REQUIRED_KEYS, "mailer_key"])
def test_only_strings(key: str, value: object) -> None:
    assert refusal(**{key: value}) == [f"{key}: must be a string in quotes"]


@pytest.mark.parametrize("key", [*REQUIRED_KEYS, "appsignal_push_api_key", "mailer_key"])
@pytest.mark.parametrize(
    ("bad", "word"), [("\0", "NUL"), ("\ud800", "surrogate"), ("x" * (64 * 1024), "64 KiB"), ("é" * 32768, "64 KiB")]
)
def test_text_that_cannot_be_carried(key: str, bad: str, word: str) -> None:
    lines = refusal(**{key: "x" * 64 + bad})
    assert len(lines) == 1
    assert lines[0].startswith(f"{key}: ")
    assert word in lines[0]


def test_64_kib_is_allowed() -> None:
    Secrets.model_validate({**GOOD, "certificate": "x" * 64 * 1024})


@pytest.mark.parametrize(
    "name",
    ["kebab-key", "Kebab-Key", "1A", "A b", "É", "A" * 256, "A\n", "a b", "1st", "_p", "", "é", "a" * 256, "x\n"],
)
def test_key_names(name: str) -> None:
    (line,) = refusal(**{name: "value"})
    assert "lower_snake_case" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("database_password", "p" * 8),
        ("database_password", "p" * 1024),
        ("database_password", """ "quoted' \\ #{} $1 """),
        ("database_password", "пароль-длинный"),
        ("database_password", "שלום עולם שלום"),
        ("secret_key_base", "é" * 32),
        ("cookie", "A_" + "-" * 18),
        ("cookie", "c" * 255),
    ],
)
def test_accepted(key: str, value: str) -> None:
    assert getattr(Secrets.model_validate({**GOOD, key: value}), key).get_secret_value() == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("database_password", ""),
        ("database_password", "p" * 7),
        ("database_password", "p" * 1025),
        ("secret_key_base", "s" * 63),
        ("cookie", "c" * 19),
        ("cookie", "c" * 256),
        ("cookie", "-" + "c" * 20),
        ("cookie", "c" * 20 + "\n"),
        ("cookie", "c" * 20 + " "),
        ("cookie", "é" * 20),
    ],
)
def test_refused(key: str, value: str) -> None:
    (line,) = refusal(**{key: value})
    assert line.startswith(f"{key}: ")


@pytest.mark.parametrize(
    "password",
    [
        "soft\u00adhyphen",  # mapped to nothing; RFC 4013's own example 1
        "no\u00a0break space",  # mapped to a space
        "\u2168 as in nine",  # NFKC makes it IX; RFC 4013's example 5
        "\u00aa feminine",  # example 4
        "e\u0301galement",  # composed by NFKC
        "bell \u0007 rings",  # example 6: prohibited
        "\u06271 is mixed",  # example 7: right-to-left and digits
        "\u0627 latin and arabic",
        "line\nbreak",
        "private \ue000 use",
        "tag \U000e0041 character",
        "pile of \U0001f4a9",  # not in Unicode 3.2
        "ideograph \U0002f868",  # normalized differently since Unicode 4.0, Corrigendum 4
    ],
)
def test_saslprep_would_change_or_refuse(password: str) -> None:
    assert not is_saslprep_stable(password)
    (line,) = refusal(database_password=password)
    assert "SASLprep" in line
    assert password not in line


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=100))
def test_printable_ascii_is_stable(password: str) -> None:
    assert is_saslprep_stable(password)


@given(st.text())
def test_stable_means_saslprep_gives_the_same(password: str) -> None:
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    assert not is_saslprep_stable(password) or unicodedata.normalize("NFKC", mapped) == password


@given(
    st.sampled_from([*REQUIRED_KEYS, "mailer_key", "BAD"]), st.text(min_size=6).map(lambda text: f"{text}swordfish\0")
)
@example("database_password", "swordfish\ud800\0")
def test_a_refusal_never_shows_the_value(key: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Secrets.model_validate({**GOOD, key: value})
    shown = [str(caught.value), repr(caught.value), *describe_problems(caught.value)]
    shown += traceback.format_exception(caught.value)
    assert not any("swordfish" in text for text in shown)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("good", ["12345678", "a" * 72, 'with: colon # and "quotes"\\'])
def test_basic_auth_password(good: str) -> None:
    password = Secrets.model_validate({**GOOD, "basic_auth_password": good}).basic_auth_password
    assert password is not None
    assert password.get_secret_value() == good


@pytest.mark.parametrize("bad", ["", "swordfish!", "c2hvcnQ=", "Zm9yIGEga2V5IGl0IGlzIGxvbmcgZW5vdWdo=\nserver"])
def test_the_secret_of_a_key_for_dns(bad: str) -> None:
    (line,) = refusal(acme_dns_secret=bad)
    assert line == "acme_dns_secret: must be the secret of a TSIG key in base64, as tsig-keygen prints it"
    Secrets.model_validate({**GOOD, "acme_dns_secret": "c2VjcmV0LW9mLWEta2V5"})


@pytest.mark.parametrize(
    ("bad", "word"),
    [("1234567", "8 to 72"), ("a" * 73, "bcrypt ignores more"), ("pässword", "ASCII"), ("password\n", "ASCII")],
)
def test_basic_auth_password_that_would_not_work(bad: str, word: str) -> None:
    (line,) = refusal(basic_auth_password=bad)
    assert line.startswith("basic_auth_password: ")
    assert word in line
    assert bad not in line
