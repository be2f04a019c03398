"""Sources in teams' own styles: nothing is lost, no secret is shown, and there is no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError

from checkout import compare
from checkout.files import from_disk, with_line_ends_of
from operations.source_file import hidden
from tests.unit.checkout.test_application import apply, checkout, differences, environments

__all__ = ["checkout"]

Checkout = Callable[[str], Path]

PROVIDER = '{Config.Reader, path: "/var/#{Mix.env()}.secret.exs"}'


def mends(path: Path, tool: str, file: str, text: str) -> str:
    """A file of that text is brought in step at once; what it is then."""
    (path / file).write_text(text)
    chosen = environments(tool)
    apply(path, chosen)
    assert differences(path, chosen) == []
    assert apply(path, chosen) == []
    return (path / file).read_text()


# --- Secrets ---------------------------------------------------------------------------------------------------------

SHOWN = {
    'set cookie: :"PROD COOKIE"': "set cookie: (not shown)",
    "set(\n  cookie: :cookie\n)": "set(\n  cookie: (not shown)\n)",
    'cookie: "word", include_erts: true': "cookie: (not shown), include_erts: true",
    "-name billing -setcookie word +K true": "-name billing -setcookie (not shown) +K true",
    "export RELEASE_COOKIE=word": "export RELEASE_COOKIE=(not shown)",
    'secret_key_base: "word", live_view: [signing_salt: "word"]': (
        "secret_key_base: (not shown), live_view: [signing_salt: (not shown)]"
    ),
    'url: "ecto://billing:word@localhost/billing"': 'url: "ecto://billing:(not shown)@localhost/billing"',
    'push_api_key: "word"': "push_api_key: (not shown)",
}
AS_IT_IS = [
    "-setcookie <%= release.profile.cookie %>",
    'import_config "stage.secret.exs"',
    'secret_key_base: System.fetch_env!("SECRET_KEY_BASE")',
    PROVIDER,
    "# No -setcookie: the cookie is a secret, in $HOME/.erlang.cookie.",
    'url: [scheme: "https", host: "billing.example.com", port: 443]',
]


@pytest.mark.parametrize("text", [*SHOWN, *AS_IT_IS])
def test_secrets_near_a_change_are_not_shown(text: str) -> None:
    assert hidden(f"a\n{text}\nb\n") == f"a\n{SHOWN.get(text, text)}\nb\n"


# --- Distillery and edeliver -----------------------------------------------------------------------------------------

COOKIES = {
    'environment :prod do\n  set include_erts: true, cookie: :word, pre_configure_hooks: "rel/hooks"\nend\n': (
        'set include_erts: true, pre_configure_hooks: "rel/hooks"'
    ),
    'environment :prod do\n  set pre_start_hooks: "rel/hooks", cookie: :word\nend\n': 'set pre_start_hooks: "rel/hooks"\n',
    "environment :prod do\n  set(\n    cookie: :word\n  )\n  set dev_mode: false\nend\n": "do\n  set dev_mode: false\n",
    "environment :prod do set cookie: :word end\n": "environment :prod do\n  # >>> deploy: prod\n",
    "environment :prod do\n  set cookie: :word\n  set cookie: :word\nend\n": "environment :prod do\n  # >>> deploy: prod\n",
    'release :billing do\n  set cookie: :word\n  set version: "1"\nend\n': 'release :billing do\n  set version: "1"\n',
    "environment :dev do\n  set cookie: :word\nend\n": "environment :dev do\n  set cookie: :word\nend\n",
}


@pytest.mark.parametrize("text", COOKIES)
def test_a_cookie_goes_alone(checkout: Checkout, text: str) -> None:
    changed = mends(checkout("distillery"), "distillery", "rel/config.exs", text)
    assert COOKIES[text] in changed
    assert ("word" in changed) == (":dev" in text)


def test_flags_that_share_a_line(checkout: Checkout) -> None:
    path, chosen = checkout("distillery"), environments("distillery")
    apply(path, chosen)
    file = path / "rel/vm.args.stage"
    planted = ["+P 1000 -sname foo -env A 1 # of the team", "-smp disable -setcookie word", "# -name is below"]
    templates = ["-name <%= release_name %>@127.0.0.1", "-setcookie <%= release.profile.cookie %>"]
    file.write_text("\n".join([*planted, *templates, file.read_text()]))
    found = {difference.setting for difference in differences(path, chosen)}
    assert found == {"node name", "cookie"}
    text = mends(path, "distillery", "rel/vm.args.stage", file.read_text())
    assert text.startswith("+P 1000 -env A 1 # of the team\n# -name is below\n## Name of the node\n")


HOOKS = {
    "pre_erlang_get_and_update_deps() { our_step; }\n": "pre_erlang_get_and_update_deps() without a link",
    "pre_erlang_get_and_update_deps() {\n  our_step\n}\n": "pre_erlang_get_and_update_deps() without a link",
    "function pre_erlang_get_and_update_deps {\n  ln -sf ~/stage.secret.exs config/\n}\n": None,
    "pre_erlang_get_and_update_deps () {\n  ln -sf ~/${A}.secret.exs ${B}\n}\nother() {\n  true\n}\n": None,
}


@pytest.mark.parametrize("hook", HOOKS)
def test_the_teams_hook_is_theirs(checkout: Checkout, hook: str) -> None:
    """Bash would run the second of two functions with one name."""
    path, chosen = checkout("distillery"), environments("distillery")
    file = path / ".deliver/config"
    file.write_text(f'APP="billing"\n\n{hook}')
    apply(path, chosen)
    assert file.read_text().count("pre_erlang_get_and_update_deps") == 1
    assert {(d.application, d.line) for d in differences(path, chosen)} == (
        {(HOOKS[hook], 3)} if HOOKS[hook] else set()
    )


# --- mix.exs ---------------------------------------------------------------------------------------------------------

MIX = """\
defmodule Billing.MixProject do
  use Mix.Project

  ATTRIBUTE

  def project do
    [
      app: :billing,
      version: "0.1.0",
      RELEASES
    ]
  end

  FUNCTION
end
"""


def mix_exs(attribute: str = "", releases: str = "releases: []", function: str = "") -> str:
    return MIX.replace("ATTRIBUTE", attribute).replace("RELEASES", releases).replace("FUNCTION", function)


MENDED = {
    "empty": mix_exs(),
    "an attribute": mix_exs("@releases [billing: [include_erts: true]]", "releases: @releases"),
    "a function": mix_exs(
        "", "releases: releases()", "defp releases, do: [billing: [applications: [logger: :permanent]]]"
    ),
    "tuples": mix_exs("", "releases: [{:billing, [{:include_erts, true}]}]"),
    "a provider of another kind": mix_exs(
        "", 'releases: [billing: [config_providers: [{Config.Reader, {:system, "RELEASE_ROOT", "/extra.exs"}}]]]'
    ),
    "options": mix_exs("", 'releases: [billing: [config_providers: [{Config.Reader, path: "/etc/x.exs"}]]]'),
}


@pytest.mark.parametrize("name", MENDED)
def test_a_provider_is_added_wherever_releases_stand(checkout: Checkout, name: str) -> None:
    text = mends(checkout("mix"), "mix", "mix.exs", MENDED[name])
    assert text.count("Config.Reader") == MENDED[name].count("Config.Reader") + 1


def test_as_the_formatter_has_it(checkout: Checkout) -> None:
    path = checkout("mix")
    apply(path, environments("mix"))
    assert """\
    [
      # >>> deploy: releases
      releases: [
        billing: [
          config_providers: [
            {Config.Reader, path: "/var/#{Mix.env()}.secret.exs", env: Mix.env()}
          ]
        ]
      ],
      # <<< deploy: releases
      app: :billing,
""" in (path / "mix.exs").read_text()


LEFT = {
    "clauses": (
        "releases: releases(Mix.env())",
        "defp releases(_), do: [billing: [config_providers: [PROVIDER]]]",
        {"configuration provider"},
    ),
    "other names": (
        "releases: [billing_web: [config_providers: [PROVIDER]], billing_worker: []]",
        "",
        {"release", "configuration provider"},
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_changes_that_only_the_team_can_make_are_left_out(checkout: Checkout, name: str) -> None:
    path, chosen = checkout("mix"), environments("mix")
    releases, function, settings = LEFT[name]
    other = '{Config.Reader, path: "/etc/other.exs"}'
    text = mix_exs("", releases.replace("PROVIDER", other), function.replace("PROVIDER", other))
    (path / "mix.exs").write_text(text)
    assert "mix.exs" not in apply(path, chosen)
    assert {(d.setting, d.file) for d in differences(path, chosen)} == {(setting, "mix.exs") for setting in settings}
    (path / "mix.exs").write_text(text.replace(other, PROVIDER))
    assert {d.setting for d in differences(path, chosen)} == settings - {"configuration provider"}


# --- What is another's ------------------------------------------------------------------------------------------------


def test_another_application(checkout: Checkout) -> None:
    path = checkout("mix")
    (path / "mix.exs").write_text(mix_exs().replace(":billing", ":shop"))
    with pytest.raises(PyinfraError, match="is the application shop, and the group data is about billing"):
        compare.checkout(path, environments("mix"))


def test_another_endpoint(checkout: Checkout) -> None:
    path, chosen = checkout("mix"), environments("mix")
    (path / "config").mkdir()
    (path / "config/config.exs").write_text('import Config\n\nconfig :billing, Billing.Endpoint, url: [path: "/"]\n')
    apply(path, chosen)
    assert {(d.setting, d.application, d.expected, d.file, d.line) for d in differences(path, chosen)} == {
        ("endpoint", "Billing.Endpoint", "BillingWeb.Endpoint", "config/config.exs", 3)
    }


def test_secrets_of_another_environment(checkout: Checkout) -> None:
    path, chosen = checkout("distillery"), environments("distillery")
    apply(path, chosen)
    file = path / "config/stage.exs"
    file.write_text(file.read_text() + 'import_config "prod.secret.exs"\n')
    assert [(d.setting, d.application, d.expected) for d in differences(path, chosen)] == [
        ("import of a secret file", '"prod.secret.exs"', '"stage.secret.exs" alone')
    ]


def test_one_settings_file_under_two_names(checkout: Checkout) -> None:
    path = checkout("distillery")
    (path / "config/stage.exs").unlink()
    (path / "config/stage.exs").symlink_to("prod.exs")
    with pytest.raises(PyinfraError, match="could not differ"):
        compare.checkout(path, environments("distillery"))


# --- Bytes ------------------------------------------------------------------------------------------------------------


def test_another_encoding_is_refused_by_name(checkout: Checkout) -> None:
    path = checkout("distillery")
    (path / "config/prod.exs").write_bytes("# grüße\n".encode("latin-1"))
    with pytest.raises(PyinfraError, match=r"config/prod\.exs is not UTF-8"):
        differences(path, environments("distillery"))


def test_line_ends_stay(tmp_path: Path) -> None:
    file = tmp_path / "mix.exs"
    assert with_line_ends_of(file, "a\nb\n") == "a\nb\n"
    file.write_bytes(b"a\r\nc\r\n")
    assert from_disk(tmp_path)("mix.exs") == "a\nc\n"
    assert with_line_ends_of(file, "a\nb\n") == "a\r\nb\r\n"
    file.write_bytes(b"a\r\nc\n")
    with pytest.raises(PyinfraError, match="line ends of both kinds"):
        with_line_ends_of(file, "a\n")
