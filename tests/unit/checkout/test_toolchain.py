"""Elixir and Erlang in a checkout: what mix.exs asks for, and the versions that a team works with."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkout import requirement
from checkout.compare_toolchain import compare
from group_data.schema.environment import Environment

MIX_EXS = """\
defmodule Billing.MixProject do
  use Mix.Project

  @elixir "~> 1.15"

  def project do
    [
      app: :billing,
      version: "0.1.0",
      elixir: {elixir},
      deps: []
    ]
  end
end
"""


@pytest.mark.parametrize(
    ("elixir", "version", "asked"),
    [
        ('"~> 1.17"', "1.14.0", ("~> 1.17", 10)),
        ('"~> 1.17"', "1.18.4", None),
        ("@elixir", "1.14.0", ("~> 1.15", 10)),
        # Only running it would tell; and Elixir itself says that these are no requirements.
        ('File.read!("VERSION")', "1.14.0", None),
        ('">= 1.17"', "1.14.0", None),
        ("nil", "1.14.0", None),
    ],
)
def test_the_requirement_of_mix_exs(
    environment: Callable[..., Environment], elixir: str, version: str, asked: tuple[str, int] | None
) -> None:
    files = {"mix.exs": MIX_EXS.format(elixir=elixir)}
    found = requirement.unmet(files.get, environment(), version)
    assert (found and (found.value, found.line)) == asked


def test_an_application_of_an_umbrella_asks(environment: Callable[..., Environment]) -> None:
    files = {
        "mix.exs": 'defmodule All do\n  def project, do: [apps_path: "apps"]\nend\n',
        "apps/billing_web/mix.exs": MIX_EXS.format(elixir='"~> 1.17"'),
    }
    found = requirement.unmet(files.get, environment(endpoint_app="billing_web"), "1.14.0")
    assert found
    assert (found.value, found.file) == ("~> 1.17", "apps/billing_web/mix.exs")


def test_a_file_that_is_not_elixir_is_left_to_the_build(environment: Callable[..., Environment]) -> None:
    assert requirement.unmet({"mix.exs": "defmodule ("}.get, environment(), "1.14.0") is None


@pytest.mark.parametrize(("directory", "prefix"), [(".", ""), ("services/billing", "services/billing/"), (".", "./")])
def test_mix_exs_of_an_archive(tmp_path: Path, directory: str, prefix: str) -> None:
    (tmp_path / "mix.exs").write_text("é")
    with tarfile.open(tmp_path / "sources.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "mix.exs", f"{prefix}mix.exs")
    read = requirement.from_archive(tmp_path / "sources.tar.gz", directory)
    assert (read("mix.exs"), read("apps/billing/mix.exs")) == ("é", None)


def differences(environment: Environment, **files: str) -> Iterator[tuple[str, str, str, str, int]]:
    named = {"tool_versions": ".tool-versions", "mise": "mise.toml", "mix": "mix.exs"}
    read = {named[name]: text for name, text in files.items()}
    for compared in compare(read.get, environment):
        yield compared[:5]


def test_the_versions_of_a_team_are_compared(environment: Callable[..., Environment]) -> None:
    data = environment(elixir_version="1.18.4", erlang_version="27.3.4")
    assert list(differences(data, tool_versions="nodejs 20\nerlang 26.2.5 # old\nelixir 1.17.3-otp-26\n")) == [
        ("Erlang", "26.2.5", "27.3.4", ".tool-versions", 2),
        ("Elixir", "1.17.3", "1.18.4", ".tool-versions", 3),
    ]
    mise = '[tools]\nnode = "20"\nelixir = ["1.17", "1.18"]\nerlang = { version = "26" }\n'
    assert list(differences(data, mise=mise)) == [
        ("Elixir", "1.17", "1.18.4", "mise.toml", 3),
        ("Erlang", "26", "27.3.4", "mise.toml", 4),
    ]
    assert list(differences(data, mix=MIX_EXS.format(elixir='"~> 1.19"'))) == [
        ("Elixir", "~> 1.19", "1.18.4", "mix.exs", 10)
    ]


def test_the_same_versions_are_no_difference(environment: Callable[..., Environment]) -> None:
    data = environment(elixir_version="1.18.4", erlang_version="27.3.4")
    same = {
        "tool_versions": "elixir 1.18.4-otp-27\nerlang 27\n",
        "mise": '[tools]\nelixir = "latest"\nerlang = "27.3"\n',
    }
    assert list(differences(data, **same, mix=MIX_EXS.format(elixir='"~> 1.18"'))) == []
    other = {"tool_versions": "elixir 1.13.0\nerlang 24.0\n"}
    assert list(differences(environment(), **other)) == []
    assert list(differences(environment(elixir_version="1.13.0"), **other)) == []


@pytest.mark.parametrize("text", ["[tools", "tools = 1", "[tools]\nelixir = 1\nerlang = []\n"])
def test_a_file_of_another_form_is_no_difference(environment: Callable[..., Environment], text: str) -> None:
    assert list(differences(environment(elixir_version="1.18.4", erlang_version="27.3.4"), mise=text)) == []
