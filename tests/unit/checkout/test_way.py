"""Applications that take variables, as Phoenix's generators write them: nothing is edited that group data can say."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checkout import compare
from checkout.files import from_disk
from checkout.way import takes_variables
from group_data.schema.environment import Environment
from tests.unit.checkout.test_application import APPLICATIONS, apply, checkout, differences
from tests.unit.checkout.test_application import environments as with_the_secret_file
from tests.unit.conftest import PROD, STAGE

__all__ = ["checkout"]

Checkout = Callable[[str], Path]

GENERATED = ["phoenix_1_7", "phoenix_1_7_no_ecto", "phoenix_1_8", "phoenix_1_8_no_ecto"]

UMBRELLA = {"endpoint_app": "billing_web"}


def environments(**changes: object) -> list[Environment]:
    """Stage and prod with one MIX_ENV, which is the default."""
    return [Environment.model_validate(base | {"tls": "self_signed"} | changes) for base in (STAGE, PROD)]


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_application_needs_no_edit(checkout: Checkout, name: str) -> None:
    path, chosen = checkout(name), environments()
    assert takes_variables(from_disk(path), chosen[0])
    assert differences(path, chosen) == []
    assert apply(path, chosen) == []


def test_assets_need_a_build_command(checkout: Checkout) -> None:
    """Which no file of the application tells, so it is no difference."""
    read = from_disk(checkout("phoenix_1_8"))
    assert compare.assets(read, environments()[0]) == 'build_commands = ["mix assets.deploy"]'
    assert compare.assets(read, environments(build_commands=["make assets"])[0]) is None
    umbrella = checkout("umbrella")
    assert compare.assets(from_disk(umbrella), environments()[0]) == 'build_commands = ["mix phx.digest"]'
    (umbrella / "apps/billing_web/mix.exs").write_text('defp aliases, do: ["assets.deploy": ["phx.digest"]]\n')
    assert compare.assets(from_disk(umbrella), environments(**UMBRELLA)[0]) == (
        'build_commands = ["cd apps/billing_web && mix assets.deploy"]'
    )
    assert compare.assets(from_disk(checkout("mix")), environments(mix_env="stage")[0]) is None


def test_it_may_have_appsignal(checkout: Checkout) -> None:
    """The unit names its working directory."""
    path, chosen = checkout("phoenix_1_8"), environments(appsignal=True)
    file = path / "mix.exs"
    file.write_text(file.read_text().replace("{:bandit", '{:appsignal_phoenix, "~> 2.0"},\n      {:bandit'))
    assert (differences(path, chosen), apply(path, chosen)) == ([], [])


@pytest.mark.parametrize("name", ["mix", "distillery"])
def test_the_secret_file_stays_the_way_of_those_who_have_it(checkout: Checkout, name: str) -> None:
    path = checkout(name)
    [stage, _] = environments(release_tool=name, mix_env="stage")
    assert not takes_variables(from_disk(path), stage)


def test_appsignal_that_is_switched_on_later(checkout: Checkout) -> None:
    path = checkout("distillery")
    apply(path, with_the_secret_file("distillery", appsignal=False))
    chosen = with_the_secret_file("distillery")
    assert {(d.setting, d.application) for d in differences(path, chosen)} == {
        ("AppSignal's working directory", "not set")
    }
    assert "config/appsignal.exs" in apply(path, chosen)
    assert differences(path, chosen) == []


def test_a_provider_for_the_secret_file_decides(checkout: Checkout) -> None:
    path = checkout("phoenix_1_8")
    file = path / "mix.exs"
    provider = '[{Config.Reader, path: "/var/#{Mix.env()}.secret.exs"}]'
    file.write_text(
        file.read_text().replace(
            "app: :billing,", f"app: :billing, releases: [billing: [config_providers: {provider}]],"
        )
    )
    [_, prod] = environments()
    assert not takes_variables(from_disk(path), prod)
    assert {difference.setting for difference in differences(path, [prod])} == {"bind address"}


def test_an_environment_of_its_own_decides(checkout: Checkout) -> None:
    """config/stage.exs of the team, and a runtime.exs that reads variables for prod alone."""
    path = checkout("phoenix_1_8")
    shutil.copy(path / "config/prod.exs", path / "config/stage.exs")
    [stage, _] = environments(mix_env="stage")
    assert not takes_variables(from_disk(path), stage)
    apply(path, [stage])
    assert [d.setting for d in differences(path, [stage])] == []


def test_a_mix_environment_that_the_application_does_not_know(checkout: Checkout) -> None:
    path = checkout("phoenix_1_8")
    [stage, _] = environments(mix_env="stage")
    [found] = differences(path, [stage])
    assert str(found) == (
        "config/config.exs:1: MIX_ENV of stage is prod alone, because there is no config/stage.exs, and the environment has "
        'stage: set mix_env = "prod" in group_data/stage.py'
    )
    assert apply(path, [stage]) == []


def test_a_file_that_is_imported_and_not_there(checkout: Checkout) -> None:
    path = checkout("phoenix_1_8")
    file = path / "config/runtime.exs"
    file.write_text(file.read_text().replace("config_env() == :prod", "config_env() in [:prod, :stage]"))
    [stage, _] = environments(mix_env="stage")
    found = {d.setting: (d.application, d.file, d.hint) for d in differences(path, [stage])}
    assert found == {
        "an import": (
            '"stage.exs"',
            "config/config.exs",
            'set mix_env = "prod" in group_data/stage.py, or add config/stage.exs',
        ),
        "cache_static_manifest": found["cache_static_manifest"],
        "log level": found["log level"],
    }


# --- Names ------------------------------------------------------------------------------------------------------------


def test_a_release_with_another_name(checkout: Checkout) -> None:
    """The only release of mix.exs needs no setting."""
    path, chosen = checkout("named_release"), environments(release_name="other")
    assert {(d.setting, d.hint) for d in differences(path, chosen)} == {
        ("release", 'set release_name = "billing_server" in group_data/all.py')
    }
    assert apply(path, chosen) == []
    for settings in ({}, {"release_name": "billing_server"}):
        assert differences(path, environments(**settings)) == []


def test_other_modules(checkout: Checkout) -> None:
    """One setting makes three differences go away."""
    path, chosen = checkout("phoenix_1_8"), environments()
    for file in path.rglob("*.ex*"):
        file.write_text(file.read_text().replace("Billing", "BillIng"))
    assert {(d.setting, d.hint) for d in differences(path, chosen)} == {
        ("top module", 'set app_module = "BillIng" in group_data/all.py')
    }
    assert differences(path, environments(app_module="BillIng")) == []


@pytest.mark.parametrize(
    ("old", "new", "setting", "hint", "changes"),
    [
        ("BillingWeb.Endpoint", "Billing.Web.Endpoint", "endpoint", "endpoint_module", {}),
        ("Billing.Repo", "Billing.Storage.Repo", "repo", "repo_module", {}),
    ],
)
def test_another_module(
    checkout: Checkout, old: str, new: str, setting: str, hint: str, changes: dict[str, object]
) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    for file in path.rglob("*.ex*"):
        file.write_text(file.read_text().replace(old, new))
    assert {(d.setting, d.hint) for d in differences(path, chosen)} == {
        (setting, f'set {hint} = "{new}" in group_data/all.py')
    }
    assert differences(path, environments(**{hint: new})) == []


# --- Umbrellas --------------------------------------------------------------------------------------------------------


def test_an_umbrella_names_the_endpoints_application(checkout: Checkout) -> None:
    path, chosen = checkout("umbrella"), environments()
    found = {d.setting: d.hint for d in differences(path, chosen)}
    assert found["the endpoint's application"] == 'set endpoint_app = "billing_web" in group_data/all.py'
    assert "applications of the release" in found


def test_an_umbrella_is_brought_in_step(checkout: Checkout) -> None:
    path, chosen = checkout("umbrella"), environments(**UMBRELLA)
    assert {d.setting for d in differences(path, chosen)} == {
        "applications of the release", "url host", "url scheme", "url port", "server",
    }  # fmt: skip
    assert apply(path, chosen) == ["mix.exs", "config/runtime.exs"]
    assert (differences(path, chosen), apply(path, chosen)) == ([], [])
    assert "applications: [billing: :permanent, billing_web: :permanent]" in (path / "mix.exs").read_text()
    assert """\
# >>> deploy: stage
if config_env() == :prod and System.get_env("PHX_HOST") == "stage.example.com" do
  config :billing_web, BillingWeb.Endpoint,
    url: [host: "stage.example.com", scheme: "https", port: 443],
    server: true
end

# <<< deploy: stage
""" in (path / "config/runtime.exs").read_text()


def test_an_umbrella_with_a_release_without_applications(checkout: Checkout) -> None:
    path, chosen = checkout("umbrella"), environments(**UMBRELLA)
    apply(path, chosen)
    file = path / "mix.exs"
    file.write_text(file.read_text().replace("applications: [billing: :permanent, billing_web: :permanent]", ""))
    assert {d.setting for d in differences(path, chosen)} == {"applications of the release"}


# --- What the variables do not say ------------------------------------------------------------------------------------


def test_plain_http_is_written_for_its_environment_alone(checkout: Checkout) -> None:
    path = checkout("phoenix_1_7")
    chosen = [environments(tls="none")[0], environments()[1]]
    assert {(d.environment, d.setting) for d in differences(path, chosen)} == {
        ("stage", "url scheme"), ("stage", "url port"),
    }  # fmt: skip
    assert apply(path, chosen) == ["config/runtime.exs"]
    assert (differences(path, chosen), apply(path, chosen)) == ([], [])
    assert "prod.example.com" not in (path / "config/runtime.exs").read_text()


def test_further_domains_need_check_origin(checkout: Checkout) -> None:
    path = checkout("phoenix_1_8")
    chosen = environments(additional_domains=["www.example.org"])
    [stage, _] = found = differences(path, chosen)
    assert (stage.setting, stage.expected) == ("check_origin", '["//stage.example.com", "//www.example.org"]')
    assert len(found) == 2
    apply(path, chosen)
    assert differences(path, chosen) == []


@pytest.mark.parametrize("tool", ["mix", "distillery"])
def test_further_domains_with_the_secret_file(checkout: Checkout, tool: str) -> None:
    path = checkout(tool)
    apply(path, with_the_secret_file(tool))
    chosen = with_the_secret_file(tool, additional_domains=["www.example.org"])
    assert {d.setting for d in differences(path, chosen)} == {"check_origin"}
    apply(path, chosen)
    assert (differences(path, chosen), apply(path, chosen)) == ([], [])
    # Without the further name there is nothing to list, and nothing is wrong with the list either.
    assert differences(path, with_the_secret_file(tool)) == []


def test_long_names_are_in_the_layout_of_mix_format(checkout: Checkout) -> None:
    path, long = checkout("phoenix_1_8"), "a-rather-long-name.of-a-branch"
    [stage, _] = environments(domain=f"{long}.example.com", additional_domains=[f"{long}.example.org"])
    apply(path, [stage])
    assert differences(path, [stage]) == []
    assert (
        (path / "config/runtime.exs")
        .read_text()
        .endswith("""\
# >>> deploy: stage
if config_env() == :prod and
     System.get_env("PHX_HOST") == "a-rather-long-name.of-a-branch.example.com" do
  config :billing, BillingWeb.Endpoint,
    check_origin: [
      "//a-rather-long-name.of-a-branch.example.com",
      "//a-rather-long-name.of-a-branch.example.org"
    ]
end

# <<< deploy: stage
""")
    )


ORIGINS = {
    "false": True,
    ":conn": True,
    '["//stage.example.com", "//www.example.org"]': True,
    '["https://stage.example.com", "https://www.example.org:443"]': True,
    '["//*.example.com", "//*.example.org"]': True,
    "origins()": True,
    "true": False,
    '["//stage.example.com"]': False,
    '["http://stage.example.com", "http://www.example.org"]': False,
    '["//stage.example.com", "//www.example.org:8443"]': False,
}


@pytest.mark.parametrize(
    ("origins", "right"),
    [('["//stage.example.com", "//*.example.org"]', True), ('["//stage.example.com", "//www.example.org"]', False)],
)
def test_origins_of_a_wildcard(checkout: Checkout, origins: str, *, right: bool) -> None:
    path = checkout("phoenix_1_8")
    file = path / "config/runtime.exs"
    file.write_text(file.read_text().replace("url: [host", f"check_origin: {origins},\n    url: [host"))
    tls = {"tls": "provided", "tls_certificate": "/a", "tls_key": "/b"}
    [stage, _] = environments(additional_domains=["*.example.org"], **tls)
    assert ("check_origin" not in [d.setting for d in differences(path, [stage])]) is right


@pytest.mark.parametrize("origins", ORIGINS)
def test_origins(checkout: Checkout, origins: str) -> None:
    path = checkout("phoenix_1_8")
    file = path / "config/runtime.exs"
    file.write_text(file.read_text().replace("url: [host", f"check_origin: {origins},\n    url: [host"))
    [stage, _] = environments(additional_domains=["www.example.org"])
    assert ("check_origin" not in [d.setting for d in differences(path, [stage])]) is ORIGINS[origins]


FORCE_SSL = {
    # With tls = "none", with a certificate.
    "": (set(), set()),
    "force_ssl: false": (set(), set()),
    "force_ssl: [hsts: true]": ({"set"}, {"without rewrite_on"}),
    "force_ssl: [rewrite_on: [:x_forwarded_proto]]": ({"set"}, set()),
    'force_ssl: [rewrite_on: [:x_forwarded_proto], exclude: ["stage.example.com"]]': (set(), set()),
    'force_ssl: [rewrite_on: [:x_forwarded_proto], exclude: [hosts: ["stage.example.com"]]]': (set(), set()),
    "force_ssl: options()": (set(), set()),
}


@pytest.mark.parametrize("setting", FORCE_SSL)
def test_force_ssl(checkout: Checkout, setting: str) -> None:
    path = checkout("phoenix_1_7")
    with (path / "config/prod.exs").open("a") as file:
        file.write(f"\nconfig :billing, BillingWeb.Endpoint, {setting}\n" if setting else "")
    for tls, said in zip(("none", "self_signed"), FORCE_SSL[setting], strict=True):
        [stage, _] = environments(tls=tls)
        assert {d.application for d in differences(path, [stage]) if d.setting == "force_ssl"} == said


def test_loopback_of_ipv6_is_named(checkout: Checkout) -> None:
    path, chosen = checkout("phoenix_1_8"), environments()
    file = path / "config/runtime.exs"
    file.write_text(file.read_text().replace("{0, 0, 0, 0, 0, 0, 0, 0}", "{0, 0, 0, 0, 0, 0, 0, 1}"))
    assert {d.setting for d in differences(path, chosen)} == {"bind address"}


# --- A Mix environment of the team's own ------------------------------------------------------------------------------


def test_what_prod_says_comes_along(checkout: Checkout) -> None:
    """Without a log level, every SQL statement with its values would be in the journal."""
    path = checkout("mix")
    (path / "config").mkdir()
    (path / "config/config.exs").write_text('import Config\nimport_config "#{config_env()}.exs"\n')
    shutil.copy(APPLICATIONS / "phoenix_1_8/config/prod.exs", path / "config/prod.exs")
    (path / "config/stage.exs").write_text("import Config\n")
    [stage, _] = environments(mix_env="stage")
    found = {d.setting: d.file for d in differences(path, [stage])}
    assert (found["cache_static_manifest"], found["log level"]) == ("config/stage.exs", "config/stage.exs")
    apply(path, [stage])
    assert differences(path, [stage]) == []
    text = (path / "config/stage.exs").read_text()
    assert 'cache_static_manifest: "priv/static/cache_manifest.json"' in text
    assert "config :logger, level: :info" in text
    assert "force_ssl" not in text


def test_one_build_for_all_is_no_conflict(checkout: Checkout) -> None:
    read = compare.checkout(checkout("phoenix_1_8"), environments())
    assert read("mix.exs")
