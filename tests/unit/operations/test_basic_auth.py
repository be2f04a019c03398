"""The line for nginx. tests/host shows that nginx accepts the password."""

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.basic_auth import htpasswd

SALT = bytes(range(16))


@settings(max_examples=50)
@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=72),
    st.binary(min_size=16, max_size=16),
)
def test_the_password_and_no_other(password: str, salt: bytes) -> None:
    user, _, hashed = htpasswd("team", password, salt).rstrip("\n").partition(":")
    assert user == "team"
    assert bcrypt.checkpw(password.encode(), hashed.encode())
    assert not bcrypt.checkpw(password[:-1].encode(), hashed.encode())


def test_the_same_arguments_make_the_same_line() -> None:
    assert htpasswd("team", "correct-horse", SALT) == htpasswd("team", "correct-horse", SALT)
    assert htpasswd("team", "correct-horse", SALT) != htpasswd("team", "correct-horse", SALT[::-1])


def test_a_password_bcrypt_would_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="72"):
        htpasswd("team", "a" * 73, SALT)
