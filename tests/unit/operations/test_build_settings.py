"""The name of the release wherever its script is called, and the recipe of a build."""

from collections.abc import Callable
from typing import Any

import pytest

from group_data.schema.environment import Environment
from inspection import probe
from operations import aliases
from operations.release import build, switch


def test_a_release_with_a_name_of_its_own_is_run_by_it(environment: Callable[..., Environment]) -> None:
    named = environment(release_name="demo", mix_env="prod")
    assert named.start_command == "/home/billing/stage/billing/bin/demo start"
    assert aliases.console(named) == "sudo -n /usr/local/libexec/billing_stage-switch console"
    assert probe.in_release(named, "pid")[-4:] == ["bin/demo", "infinity", "", "pid"]
    assert {"script=bin/demo", "remote=remote"} < set(switch.conf(named).splitlines())
    assert {"release=demo", "assembled=_build/prod/rel/demo"} < set(build._conf(named).splitlines())
    assert named.tarball_name("0.1.0") == "billing-0.1.0.tar.gz"


def test_a_recipe_is_the_same_wherever_a_build_is_the_same(environment: Callable[..., Environment]) -> None:
    stage = environment(mix_env="prod")
    prod = environment(mix_env="prod", environment="prod", port=4000, domain="billing.example.com")
    assert build.recipe(stage) == build.recipe(prod)
    keys = {
        "build_secrets": ["KEY"],
        "build_hex_organizations": {"acme": "KEY"},
        "build_git_tokens": {"github.com": "KEY"},
    }
    assert build.recipe(environment(mix_env="prod", **keys)) == build.recipe(stage)
    changes: tuple[dict[str, Any], ...] = (
        {"mix_env": "stage"}, {"release_name": "demo"}, {"build_directory": "x"}, {"build_commands": ["make"]},
        {"include_src": True}, {"release_tool": "distillery"}, {"deployment_config": "prod"},
        {"elixir_version": "1.18.4", "elixir_sha256": "1" * 64},
    )  # fmt: skip
    for changed in changes:
        assert build.recipe(environment(**{"mix_env": "prod"} | changed)) != build.recipe(stage)


def test_another_way_of_taking_sources_makes_another_build(
    environment: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build.recipe(environment())
    monkeypatch.setattr(build, "RECIPE", "another")
    assert build.recipe(environment()) != before


def test_each_toolchain_has_a_directory_of_its_own(environment: Callable[..., Environment]) -> None:
    """It is shared by all environments with the same versions; where they come from does not matter."""
    named = {"elixir_version": "1.18.4", "elixir_sha256": "1" * 64}
    erlang = {"erlang_version": "27.3.4", "erlang_sha256": "2" * 64}
    changes: tuple[dict[str, Any], ...] = (
        named, named | {"elixir_sha256": "3" * 64}, named | {"elixir_version": "1.18.3"}, named | erlang,
        named | erlang | {"erlang_sha256": "3" * 64}, named | erlang | {"erlang_version": "27.3.3"},
    )  # fmt: skip
    paths = [environment(**changed).toolchain_path for changed in changes]
    assert len(set(paths)) == len(paths)
    elsewhere = environment(**named, elixir_source="https://mirror.example.com/{version}.zip", environment="prod")
    assert elsewhere.toolchain_path == paths[0]
    assert f"toolchain_path={paths[0]}/bin:" in build._conf(elsewhere).splitlines()
    assert environment().toolchain_path is None
