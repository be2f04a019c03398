"""Elixir's requirements. tests/host/test_elixir_version.py asks Elixir itself about many more."""

import pytest

from checkout.elixir_version import matches


@pytest.mark.parametrize(
    ("version", "requirement", "expected"),
    [
        ("1.18.4", "~> 1.15", True),
        ("1.14.0", "~> 1.15", False),
        ("2.0.0", "~> 1.15", False),
        ("2.0.0-dev", "~> 1.15", False),
        ("1.15.9", "~> 1.15.2", True),
        ("1.16.0", "~> 1.15.2", False),
        ("1.16.0-rc.0", "~> 1.15.2", False),
        ("1.14.0", ">= 1.14.0 and < 2.0.0", True),
        ("1.13.4", ">= 1.14.0 and < 2.0.0", False),
        ("1.13.4", "~> 1.15 or ~> 1.13.0", True),
        ("1.14.0", "~> 1.15 and >= 1.18.0 or 1.14.0", True),
        ("1.14.0", "1.14.0 or ~> 1.15 and < 1.0.0", True),
        ("1.18.4", "1.18.4", True),
        ("1.18.4", "== 1.18.3", False),
        ("1.18.4", "!= 1.18.4", False),
        ("1.18.4+build", "<= 1.18.4", True),
        ("1.19.0-rc.10", "> 1.19.0-rc.2", True),
        ("1.19.0-rc.1", ">= 1.19.0", False),
        ("1.19.0-rc", "> 1.19.0-2", True),
    ],
)
def test_a_version_meets_a_requirement(version: str, requirement: str, *, expected: bool) -> None:
    assert matches(version, requirement) == expected


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("1.18", "~> 1.15"),
        ("1.18.4", ">= 1.15"),
        ("1.18.4", ""),
        ("1.18.4", "~> 1"),
        ("1.18.4", ">= 1.14.0, < 2.0.0"),
        ("1.18.4", ">= 1.14.0 and"),
        ("1.18.4", "or 1.14.0"),
        ("1.18.4", ">= 1.14.0 < 2.0.0"),
        ("1.18.4", "~> 1.015"),
        ("1.18.4", "^1.15.0"),
    ],
)
def test_a_text_that_elixir_does_not_take_is_none(version: str, requirement: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        matches(version, requirement)
