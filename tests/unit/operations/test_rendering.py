"""Values survive the syntax of their files. tests/host asks Elixir, systemd and bash themselves."""

import subprocess

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.host.rendering import elixir_string, environment_file_value, render


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("plain", '"plain"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("#{System.halt()}", '"\\#{System.halt()}"'),
        ("\\#{x}", '"\\\\\\#{x}"'),
        ("line\nline", '"line\\u{A}line"'),
        ("é ☃ 𝄞", '"é ☃ 𝄞"'),
        ("‮", '"\\u{202E}"'),
    ],
)
def test_elixir_string(value: str, literal: str) -> None:
    assert elixir_string(value) == literal


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_a_shell_reads_an_environment_file_value_back(value: str) -> None:
    script = f'value={environment_file_value(value)}; printf %s "$value"'
    assert subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout == value.encode()


def test_undefined_names_are_errors() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("journald.conf.j2")
