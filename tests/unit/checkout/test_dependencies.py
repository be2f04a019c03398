"""Dependencies from private places of Hex."""

from collections.abc import Callable
from typing import Any

import pytest

from checkout import compare_dependencies
from checkout.variables import build_variables
from group_data.schema.environment import Environment

SUM = "0" * 64


def lock(*sources: str) -> str:
    entries = [
        f'  "d{n}": {{:hex, :d{n}, "1.0.0", "{SUM}", [:mix], [{{:x, "~> 1.0", [hex: :x, repo: "other", optional: false]}}], '
        f'"{source}", "{SUM}"}},\n'
        for n, source in enumerate(sources)
    ]
    return "%{\n" + "".join(entries) + '  "g": {:git, "https://github.com/acme/g.git", "abc", []},\n}\n'


@pytest.mark.parametrize(
    ("sources", "settings", "found"),
    [
        (["hexpm", "hexpm"], {}, []),
        (["hexpm", "hexpm:acme", "oban", "hexpm:acme"], {}, [("acme", 3), ("oban", 4)]),
        (
            ["hexpm:acme", "oban"],
            {
                "build_secrets": ["KEY"],
                "build_hex_organizations": {"acme": "KEY"},
                "build_hex_repositories": {"oban": f"https://repo.example.com SHA256:{'A' * 43} KEY"},
            },
            [],
        ),
        (["hexpm:oban"], {"build_hex_repositories": {"oban": f"https://example.com SHA256:{'A' * 43}"}}, [("oban", 2)]),
    ],
)
def test_a_private_source_without_a_key_is_named(
    environment: Callable[..., Environment], sources: list[str], settings: dict[str, Any], found: list[tuple[str, int]]
) -> None:
    text = lock(*sources)
    chosen = environment(**settings)
    differences = list(compare_dependencies.compare(lambda name: text if name == "mix.lock" else None, chosen))
    assert [(one.application, one.line) for one in differences] == found
    assert list(compare_dependencies.compare(lambda _: None, chosen)) == []
    for one in differences:
        setting = "build_hex_organizations" if f"hexpm:{one.application}" in sources else "build_hex_repositories"
        assert f"name it in {setting} in group_data/all.py" in one.hint


def test_a_build_has_its_secrets(environment: Callable[..., Environment]) -> None:
    assert build_variables(environment(build_secrets=["TOKEN"], mix_env="prod")) == {
        "TOKEN": "$TOKEN",
        "MIX_ENV": "prod",
    }
