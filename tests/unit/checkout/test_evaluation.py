"""Configuration as teams write it: followed as far as it is known, and never a value that may not be the one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from checkout import compare
from checkout.configuration import read_configuration
from checkout.files import from_disk
from checkout.values import Setting, Unknown
from tests.unit.checkout.test_application import checkout, differences
from tests.unit.checkout.test_way import environments

__all__ = ["checkout"]

Checkout = Callable[[str], Path]

VALUES = {
    'case System.get_env("PORT") do\n  nil -> 1\n  "4001" -> 2\n  _ -> 3\nend': 2,
    'case System.get_env("ABSENT") do\n  value when value in [nil, ""] -> 1\n  _ -> 2\nend': 1,
    'case System.get_env("ABSENT", "web") do\n  "web" -> :web\n  other -> raise "not #{other}"\nend': "web",
    'case System.get_env("PORT") do\n  text -> String.to_integer(text)\nend': 4001,
    'case URI.parse("a") do\n  %URI{host: nil} -> 1\n  _ -> 2\nend': Unknown,
    'cond do\n  System.get_env("ABSENT") -> 1\n  true -> 2\nend': 2,
    "cond do\n  unknown() -> 1\n  true -> 2\nend": Unknown,
    'System.get_env("PORT") |> case do\n  nil -> 1\n  text -> String.to_integer(text)\nend': 4001,
    'env!("PORT", :integer!)': 4001,
    'env!("PHX_SERVER", :boolean)': True,
    'env!("ABSENT", :integer, 7)': 7,
    'if is_nil(System.get_env("ABSENT")), do: 1, else: 2': 1,
    'System.get_env("ABSENT") || System.get_env("PORT")': "4001",
}


@pytest.mark.parametrize("expression", VALUES)
def test_a_value(checkout: Checkout, expression: str) -> None:
    found = read(checkout, f"config :billing, key: ({expression})")
    expected = VALUES[expression]
    assert isinstance(found.value, Unknown) if expected is Unknown else found.value == expected


def read(checkout: Checkout, text: str) -> Setting:
    path = checkout("phoenix_1_8")
    with (path / "config/runtime.exs").open("a") as file:
        file.write(f"\nimport Dotenvy\n\n{text}\n")
    return read_configuration(from_disk(path), environments()[0]).settings["billing", "key"]


DOUBTFUL = [
    "if unknown() do\n  config :billing, key: 2\nend",
    "for n <- [1, 2] do\n  config :billing, key: n\nend",
    "with {:ok, n} <- unknown() do\n  config :billing, key: n\nend",
    "case unknown() do\n  1 -> config :billing, key: 1\n  _ -> nil\nend",
]


@pytest.mark.parametrize("text", DOUBTFUL)
def test_a_setting_that_may_be_reached(checkout: Checkout, text: str) -> None:
    assert isinstance(read(checkout, f"config :billing, key: 1\n{text}").value, Unknown)


def test_an_endpoint_that_is_computed_is_not_called_wrong(checkout: Checkout) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    file = path / "config/runtime.exs"
    file.write_text('import Config\n\nconfig :billing, BillingWeb.Endpoint, listener() ++ [url: [host: "elsewhere"]]\n')
    assert differences(path, chosen) == []
    places = [f"{name} (config/runtime.exs:3)" for name in ("port", "url host", "url port", "server")]
    assert compare.unknown(from_disk(path), chosen[0]) == places


def test_a_comment_among_arguments(checkout: Checkout) -> None:
    text = 'config :billing,\n  # Ours.\n  key: 1,\n  # And this.\n  other: "2"'
    assert read(checkout, text).value == 1


def test_a_list_with_flags_and_keywords(checkout: Checkout) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    file = path / "config/runtime.exs"
    text = "\nconfig :billing, BillingWeb.Endpoint, http: [:inet6, port: 9999]\n"
    file.write_text(file.read_text() + text)
    assert [(d.setting, d.application) for d in differences(path, chosen[:1])] == [("port", "9999")]


@pytest.mark.parametrize("name", ["config/releases.exs", "config/start.exs"])
def test_the_file_that_runs_at_start_may_have_another_name(checkout: Checkout, name: str) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    (path / "config/runtime.exs").rename(path / name)
    if name == "config/start.exs":
        file = path / "mix.exs"
        releases = f'releases: [billing: [runtime_config_path: "{name}"]]'
        file.write_text(file.read_text().replace("app: :billing", f"app: :billing, {releases}"))
    assert differences(path, chosen) == []


# --- Variables that nobody sets ---------------------------------------------------------------------------------------

NEEDED = {
    'System.fetch_env!("STRIPE_KEY")': "STRIPE_KEY",
    'System.get_env("STRIPE_KEY") || raise("no key")': "STRIPE_KEY",
    'env!("STRIPE_KEY", :string!)': "STRIPE_KEY",
    'System.get_env("WEB_HOST") || System.get_env("HOST") || raise("no host")': "WEB_HOST or HOST",
    'case System.get_env("STRIPE_KEY") do\n  nil -> raise "no key"\n  key -> key\nend': "STRIPE_KEY",
    'System.get_env("STRIPE_KEY") |> case do\n  nil -> raise "no key"\n  key -> key\nend': "STRIPE_KEY",
    'if is_nil(System.get_env("STRIPE_KEY")), do: raise("no key")': "STRIPE_KEY",
    'env!("STRIPE_KEY", :string, "none")': None,
    'System.get_env("STRIPE_KEY", "none")': None,
    'System.fetch_env!("RELEASE_NAME")': None,
    'System.fetch_env!("SECRET_KEY_BASE")': None,
    'if config_env() == :test, do: System.fetch_env!("STRIPE_KEY")': None,
}


@pytest.mark.parametrize("expression", NEEDED)
def test_a_needed_variable(checkout: Checkout, expression: str) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    file = path / "config/runtime.exs"
    file.write_text(f"{file.read_text()}\nimport Dotenvy\nconfig :billing, key: ({expression})\n")
    found = differences(path, chosen[:1])
    assert [(d.setting, d.application) for d in found] == (
        [(NEEDED[expression], "needed")] if NEEDED[expression] else []
    )
    # Rewriting this file is never asked for.
    assert not any("runtime.exs" in d.hint for d in found)


HELPER = """
defmodule Util do
  def fetch_env!(name, defaults \\\\ []) do
    case config_env() do
      :prod -> System.fetch_env!(name)
      other -> System.get_env(name, defaults[other])
    end
  end

  def number(nil), do: 7
  def number(text) when is_binary(text), do: String.to_integer(text)

  def again(text), do: again(text)

  def of({_, _}), do: 1
  def of(text) when unknown(text), do: 2
  def of(_), do: 3
end
"""


def test_functions_of_the_file(checkout: Checkout) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    with (path / "config/runtime.exs").open("a") as file:
        file.write(HELPER)
        file.write(
            'config :billing, a: Util.fetch_env!("PORT"), b: Util.number(nil), c: Util.again(""), e: Util.of("")\n'
        )
        file.write('config :billing,\n  d: Util.fetch_env!("DATABASE_NAME", dev: "billing")\n')
    found = read_configuration(from_disk(path), chosen[0])
    assert [found.settings["billing", key].value for key in "ab"] == ["4001", 7]
    assert all(isinstance(found.settings["billing", key].value, Unknown) for key in "ce")
    [needed] = differences(path, chosen[:1])
    assert needed.setting == "DATABASE_NAME"
    assert (path / needed.file).read_text().splitlines()[needed.line - 1].strip().startswith("d:")


def test_variables_that_distillery_replaces(checkout: Checkout) -> None:
    """The secret file sets the repo and secret_key_base, whatever stands here."""
    path, chosen = checkout("distillery"), environments(release_tool="distillery", mix_env="prod")
    with (path / "config/prod.exs").open("a") as file:
        file.write('\nconfig :billing, Billing.Repo, password: "${DB_PASSWORD}"\n')
        file.write('config :billing, BillingWeb.Endpoint, secret_key_base: "${KEY}"\n')
        file.write('config :billing, mail: [host: "${MAIL_HOST}", port: "${PORT}"]\n')
    found = [d for d in differences(path, chosen[1:]) if d.application == "needed"]
    assert [(d.setting, d.file) for d in found] == [("MAIL_HOST", "config/prod.exs")]


def test_a_variable_that_only_a_build_would_read(checkout: Checkout) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    with (path / "config/prod.exs").open("a") as file:
        file.write('\nconfig :billing, key: System.fetch_env!("KEY_ID")\n')
    [found] = differences(path, chosen[:1])
    assert (found.setting, found.expected) == ("KEY_ID", "a build has no such variable")


def test_the_lines_for_a_secret(checkout: Checkout) -> None:
    path, chosen = checkout("phoenix_1_8"), environments(unit_environment={"A": "1"})
    with (path / "config/runtime.exs").open("a") as file:
        file.write('\nconfig :billing, key: System.fetch_env!("STRIPE_KEY"), region: System.fetch_env!("REGION")\n')
    [key, region] = differences(path, chosen[:1])
    assert key.hint == (
        'add "STRIPE_KEY" to secret_variables in group_data/stage.py, its value with make vault-set ENV=stage '
        'KEY=STRIPE_KEY; or, if it is no secret, set unit_environment = {"A": "1", "STRIPE_KEY": "…"} in '
        "group_data/stage.py"
    )
    assert region.hint.startswith('set unit_environment = {"A": "1", "REGION": "…"} in group_data/stage.py; or')


def test_a_variable_that_group_data_could_set(checkout: Checkout) -> None:
    """The default of a variable is there because nobody sets it."""
    path, chosen = checkout("phoenix_1_8"), environments()
    file = path / "config/runtime.exs"
    file.write_text(file.read_text().replace("PHX_HOST", "HOST"))
    [found] = differences(path, chosen[:1])
    assert (found.setting, found.application, found.hint) == (
        "url host",
        '"example.com"',
        'set unit_environment = {"HOST": "stage.example.com"} in group_data/stage.py',
    )
    file.write_text(file.read_text().replace("host: host", 'host: "#{host}.example.net"'))
    assert differences(path, chosen[:1])[0].hint == ""


# --- rel/env.sh.eex ---------------------------------------------------------------------------------------------------

NODES = {
    "export RELEASE_NODE=billing_stage@127.0.0.1": None,
    "export RELEASE_NODE=${RELEASE_NODE:-billing@localhost}": None,
    'if [ -z "$RELEASE_NODE" ]; then\n  export RELEASE_NODE=other\nfi': None,
    'if [ -n "${FLY_APP_NAME}" ]; then\n  export RELEASE_NODE=other\nfi': None,
    'if [ "$METHOD" = "dns" ]; then\n  export RELEASE_NODE=other\nelif true; then\n  export RELEASE_NODE=third\nfi': None,
    'if [ "$PORT" = "4001" ]; then\n  export RELEASE_NODE=other\nfi': '"other"',
    'if [ "$METHOD" = "dns" ]; then\n  true\nelse\n  export RELEASE_NODE=other\nfi': '"other"',
    "if curl -s metadata; then\n  true\nelse\n  export RELEASE_NODE=other\nfi": None,
    "export RELEASE_NODE=<%= @release.name %>": "<%= @release.name %>",
    'ip=1\nexport RELEASE_NODE="$FLY_APP_NAME@$ip"': '"$FLY_APP_NAME@$ip"',
    "export RELEASE_NODE=a@$(hostname -f)": "a@$(hostname -f)",
}


@pytest.mark.parametrize("text", NODES)
def test_a_node_name(checkout: Checkout, text: str) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    (path / "rel").mkdir()
    (path / "rel/env.sh.eex").write_text(f"#!/bin/sh\n\n{text}\n")
    found = [(d.setting, d.application) for d in differences(path, chosen[:1])]
    assert found == ([("RELEASE_NODE", NODES[text])] if NODES[text] else [])


def test_a_cookie_that_is_looked_up_is_not_called_readable(checkout: Checkout) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    (path / "rel").mkdir()
    (path / "rel/env.sh.eex").write_text("#!/bin/sh\nexport RELEASE_COOKIE=$COOKIE\n")
    [found] = differences(path, chosen[:1])
    assert (found.setting, found.application) == ("cookie", '"$COOKIE"')
    (path / "rel/env.sh.eex").write_text("#!/bin/sh\nexport RELEASE_COOKIE=foo123\n")
    [found] = differences(path, chosen[:1])
    assert found.application == "readable in this file"
