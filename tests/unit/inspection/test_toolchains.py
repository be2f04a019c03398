"""Toolchains that no environment of a build host names."""

from collections.abc import Callable

from group_data.schema.environment import Environment
from inspection.toolchains import unused

NAMED = {"elixir_version": "1.18.4", "elixir_sha256": "1" * 64}


def test_a_toolchain_that_an_environment_names_stays(environment: Callable[..., Environment]) -> None:
    stage = environment(**NAMED)
    name = str(stage.toolchain_path).removeprefix("/opt/toolchains/")
    listed = [f"{name}\tElixir 1.18.4", f"deploy-toolchain-{name[:12]}\t"]
    assert list(unused(listed, [stage])) == []
    assert [thing for thing, _ in unused(listed, [environment()])] == [
        f"toolchain {name[:12]} (Elixir 1.18.4)",
        f"unfinished toolchain {name[:12]}",
    ]


def test_an_archive_and_its_directory_are_one_thing(environment: Callable[..., Environment]) -> None:
    name = "ab" * 32
    listed = [f"{name}\tErlang 27.3.4 Elixir 1.18.4", f"{name}.tar.gz\t", f"{name}.part\t"]
    path = f"/opt/toolchains/{name}"
    assert list(unused(listed, [environment()])) == [
        ("toolchain abababababab (Erlang 27.3.4 Elixir 1.18.4)", f"rm -rf {path}*")
    ]
    named = environment(toolchain="https://example.com/otp.tar.gz", toolchain_sha256=name)
    assert list(unused(listed, [named])) == []


def test_a_name_or_version_of_somebody_else_reaches_no_command(environment: Callable[..., Environment]) -> None:
    name = "cd" * 32
    listed = ["$(reboot)\t", f"{name}; rm -rf /\t", "otp-27\tErlang 27.3.4", f"{name}\tElixir \x1b[31m"]
    assert list(unused(listed, [environment()])) == [
        (
            "toolchain cdcdcdcdcdcd",
            f"rm -rf /opt/toolchains/{name}*",
        )
    ]
