"""An application's checkout: changed to agree with the data, compared, and the message for each wrong value."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pyinfra.api.exceptions import DeployError, PyinfraError

from checkout import compare
from checkout.changes import bring_in_step
from checkout.configuration import read_configuration
from checkout.difference import Difference
from group_data.schema.environment import Environment
from tests.unit.conftest import PROD, STAGE

APPLICATIONS = Path(__file__).parents[2] / "applications"

TOOLS = ["distillery", "mix"]


def environments(tool: str, **changes: object) -> list[Environment]:
    """Stage and prod of the application that tests/applications has for a release tool."""
    shared = {"release_tool": tool, "appsignal": True, **changes}
    return [
        Environment.model_validate(base | {"mix_env": base["environment"]} | shared)
        for base in (STAGE | {"tls": "none", "include_src": True}, PROD | {"tls": "self_signed"})
    ]


def apply(checkout: Path, chosen: Sequence[Environment]) -> list[str]:
    """The files that changed."""
    changes = bring_in_step(compare.checkout(checkout, chosen), chosen)
    for file, text in changes.items():
        (checkout / file).parent.mkdir(parents=True, exist_ok=True)
        (checkout / file).write_text(text)
    return list(changes)


def differences(checkout: Path, chosen: Sequence[Environment]) -> list[Difference]:
    read = compare.checkout(checkout, chosen)
    return [difference for environment in chosen for difference in compare.differences(read, environment)]


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str], Path]:
    """A checkout as the team has it."""

    def make(tool: str) -> Path:
        return Path(shutil.copytree(APPLICATIONS / tool, tmp_path / tool))

    return make


@pytest.mark.parametrize("tool", TOOLS)
def test_applied_it_is_in_step_and_stays_so(checkout: Callable[[str], Path], tool: str) -> None:
    path, chosen = checkout(tool), environments(tool)
    assert {difference.environment for difference in differences(path, chosen)} == {"stage", "prod"}
    assert apply(path, chosen)
    assert differences(path, chosen) == []
    assert apply(path, chosen) == []
    # For one environment, nothing moves either.
    assert apply(path, chosen[:1]) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_one_environment_alone(checkout: Callable[[str], Path], tool: str) -> None:
    path, (stage, prod) = checkout(tool), environments(tool)
    apply(path, [stage])
    assert differences(path, [stage]) == []
    assert differences(path, [prod])
    apply(path, [prod])
    assert differences(path, [stage, prod]) == []


# What a vm.args says of the node, and cookies, are this repository's business.
TAKEN_OVER = {"-setcookie word-of-the-day", 'set cookie: :"word-of-the-day"', "-name billing_stage.0.0.1", "-smp auto"}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_teams_own_lines_stay(checkout: Callable[[str], Path], tool: str) -> None:
    """All of them, and in their order."""
    path, chosen = checkout(tool), environments(tool)
    before = {file: file.read_text().splitlines() for file in path.rglob("*") if file.is_file()}
    apply(path, chosen)
    for file, lines in before.items():
        after = iter(file.read_text().splitlines())
        assert [line for line in lines if line.strip() not in TAKEN_OVER and line not in after] == [], file


@pytest.mark.parametrize("tool", TOOLS)
def test_data_that_changes_is_carried_over(checkout: Callable[[str], Path], tool: str) -> None:
    path = checkout(tool)
    apply(path, environments(tool))
    [stage, prod] = environments(tool)
    moved = stage.model_copy(update={"port": 4005, "domain": "test.example.com"})
    assert {difference.setting for difference in differences(path, [moved, prod])} == {"port", "url host"}
    apply(path, [moved, prod])
    assert differences(path, [moved, prod]) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_lines_of_the_team_below_do_not_overrule_it(checkout: Callable[[str], Path], tool: str) -> None:
    path, chosen = checkout(tool), environments(tool)
    apply(path, chosen)
    name = "config/runtime.exs" if tool == "mix" else "config/stage.exs"
    theirs = "config :billing, BillingWeb.Endpoint, http: [port: 9999]\n"
    (path / name).write_text((path / name).read_text() + theirs)
    found = differences(path, chosen[:1])
    assert [(d.setting, d.application, d.expected, d.file) for d in found] == [("port", "9999", "4001", name)]
    assert apply(path, chosen) == [name]
    assert differences(path, chosen) == []
    assert theirs in (path / name).read_text()


def test_no_secret_is_read_or_written(checkout: Callable[[str], Path]) -> None:
    path, chosen = checkout("distillery"), environments("distillery")
    (path / "config/stage.secret.exs").symlink_to("/nonexistent")
    (path / "config/prod.secret.exs").write_text("this is no Elixir (")
    apply(path, chosen)
    assert differences(path, chosen) == []
    texts = "".join(file.read_text() for file in path.rglob("*") if file.is_file() and "secret" not in file.name)
    assert "word-of-the-day" not in texts


def test_deployment_config(checkout: Callable[[str], Path]) -> None:
    """The alternative of one build mode for all: by data alone, and whoever has it already keeps what is there."""
    path = checkout("mix")
    chosen = [
        environment.model_copy(update={"mix_env": "prod", "deployment_config": environment.environment})
        for environment in environments("mix")
    ]
    apply(path, chosen)
    assert differences(path, chosen) == []
    assert apply(path, chosen) == []
    assert (path / "config/deployment_config/stage.exs").exists()
    theirs = checkout_with_deployment_config(checkout)
    chosen = [environment.model_copy(update={"release_tool": "distillery"}) for environment in chosen]
    apply(theirs, chosen)
    assert differences(theirs, chosen) == []
    assert ">>>" not in (theirs / "config/prod.exs").read_text()
    assert 'import_config "../stage.secret.exs"' in (theirs / "config/deployment_config/stage.exs").read_text()


def checkout_with_deployment_config(checkout: Callable[[str], Path]) -> Path:
    path = checkout("distillery")
    (path / "config/stage.exs").unlink()
    (path / "config/prod.exs").write_text(
        "use Mix.Config\n"
        'deployment_config = System.get_env("DEPLOYMENT_CONFIG")\n'
        'import_config "./deployment_config/#{deployment_config}.exs"\n'
    )
    return path


def test_environments_that_build_the_same_are_refused(checkout: Callable[[str], Path]) -> None:
    path = checkout("mix")
    same = [environment.model_copy(update={"mix_env": "prod"}) for environment in environments("mix")]
    with pytest.raises(PyinfraError, match=r"stage and prod would both have their settings in config/prod\.exs"):
        compare.checkout(path, same)


def test_a_directory_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PyinfraError, match=r"is no checkout of a Mix project: there is no mix\.exs in it"):
        compare.checkout(tmp_path, environments("mix"))


def test_a_file_that_is_no_elixir_is_refused(checkout: Callable[[str], Path]) -> None:
    path, chosen = checkout("mix"), environments("mix")
    apply(path, chosen)
    (path / "config/config.exs").write_text("import Config\n\nconfig :billing, (\n")
    with pytest.raises(PyinfraError, match=r"config/config\.exs:[34]: this is not Elixir"):
        differences(path, chosen)


def test_half_a_block_is_refused_rather_than_guessed(checkout: Callable[[str], Path]) -> None:
    path, chosen = checkout("mix"), environments("mix")
    apply(path, chosen)
    file = path / "config/runtime.exs"
    file.write_text(file.read_text().replace("# <<< deploy: stage\n", ""))
    with pytest.raises(DeployError, match=r"config/runtime\.exs has '# >>> deploy: stage' or .* without the other"):
        apply(path, chosen)


# --- Wrong values, planted -------------------------------------------------------------------------------------------

# What is planted: file, old text, new text; and what is said: setting, the application's value, the environment's, the line.
PLANTED = {
    "node name": (
        "distillery", "rel/vm.args.stage", "-name billing_stage@127.0.0.1", "-name billing_stage.0.0.1",
        ("node name", "billing_stage.0.0.1", "billing_stage@127.0.0.1"),
    ),
    "no node name": (
        "distillery", "rel/vm.args.stage", "-name billing_stage@127.0.0.1\n", "",
        ("node name", "not set", "billing_stage@127.0.0.1"),
    ),
    "cookie in vm.args": (
        "distillery", "rel/vm.args.stage", "# No -setcookie", "-setcookie foo123\n# No -setcookie",
        ("cookie", "readable in this file", "its own cookie in $HOME/.erlang.cookie"),
    ),
    "cookie in rel/config.exs": (
        "distillery", "rel/config.exs", 'set vm_args: "rel/vm.args.stage"',
        'set cookie: :"foo123"\n  set vm_args: "rel/vm.args.stage"',
        ("cookie", "readable in this file", "its own cookie in $HOME/.erlang.cookie"),
    ),
    "server: true missing": (
        "distillery", "config/stage.exs", ",\n  server: true", "", ("server", "not set", "true"),
    ),
    "server: false": ("mix", "config/runtime.exs", "server: true", "server: false", ("server", "false", "true")),
    "load_from_system_env": (
        "distillery", "config/stage.exs", "load_from_system_env: false", "load_from_system_env: true",
        ("load_from_system_env", "true", "false"),
    ),
    "one port for both": ("distillery", "config/stage.exs", "port: 4001", "port: 4000", ("port", "4000", "4001")),
    "one port for both, mix": ("mix", "config/runtime.exs", "port: 4001", "port: 4000", ("port", "4000", "4001")),
    "every interface": (
        "mix", "config/runtime.exs", "ip: {127, 0, 0, 1}", "ip: {0, 0, 0, 0}",
        ("bind address", "{0, 0, 0, 0}", "{127, 0, 0, 1}"),
    ),
    "AppSignal without the environment": (
        "distillery", "config/appsignal.exs", '"/home/billing/stage/appsignal"', '"/home/billing"',
        ("AppSignal's working directory", '"/home/billing"', '"/home/billing/stage/appsignal"'),
    ),
    "another directory": (
        "distillery", ".deliver/config", 'TEST_AT="/home/billing/stage"', 'TEST_AT="/home/billing/prod"',
        ("TEST_AT", '"/home/billing/prod"', '"/home/billing/stage"'),
    ),
    "no secret file": (
        "distillery", "config/stage.exs", 'import_config "stage.secret.exs"', "",
        ("import of the secret file", "not set", 'import_config "stage.secret.exs"'),
    ),
    "another secret file": (
        "mix", "mix.exs", "/var/#{Mix.env()}.secret.exs", "/var/prod.secret.exs",
        (
            "configuration provider",
            '[{Config.Reader, [{:path, "/var/prod.secret.exs"}, {:env, :stage}]}]',
            '{Config.Reader, path: "/var/stage.secret.exs"}',
        ),
    ),
    "no runtime": (
        "distillery", "rel/config.exs", "set include_erts: true\n  set include_src: true",
        "set include_erts: false\n  set include_src: true", ("include_erts", "false", "true"),
    ),
    "mix node name": (
        "mix", "rel/env.sh.eex", "RELEASE_NODE=billing_stage@127.0.0.1", "RELEASE_NODE=billing",
        ("RELEASE_NODE", '"billing"', '"billing_stage@127.0.0.1"'),
    ),
    "mix cookie": (
        "mix", "mix.exs", "billing: [", 'billing: [cookie: "foo123", ',
        ("cookie", "readable in this file", "its own cookie in $HOME/.erlang.cookie"),
    ),
    "a variable nobody sets": (
        "mix", "config/runtime.exs", "import Config\n",
        'import Config\nkey = System.get_env("STRIPE_KEY") || raise "STRIPE_KEY is missing"\n',
        ("STRIPE_KEY", "needed", "no such variable"),
    ),
}  # fmt: skip


# What stands in the line that is named, where it is not the value itself.
LINES = {
    "no node name": "",
    "cookie in vm.args": "-setcookie",
    "cookie in rel/config.exs": "set cookie:",
    "server: true missing": "load_from_system_env",
    "AppSignal without the environment": "/home/billing",
    "no secret file": "use Mix.Config",
    "another secret file": "config_providers",
    "every interface": "ip:",
    "mix cookie": "cookie:",
    "a variable nobody sets": "STRIPE_KEY",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_value(checkout: Callable[[str], Path], name: str) -> None:
    """File, line and both values; a cookie is shown to nobody."""
    tool, file, right, wrong, said = PLANTED[name]
    path, chosen = checkout(tool), environments(tool)
    apply(path, chosen)
    text = (path / file).read_text()
    assert right in text
    # The first is stage's.
    (path / file).write_text(text.replace(right, wrong, 1))
    [found] = differences(path, chosen[:1])
    assert (found.environment, found.file) == ("stage", file)
    assert (found.setting, found.application, found.expected) == said
    assert str(found).startswith(f"{file}:{found.line}: ")
    assert "foo123" not in str(found)
    assert LINES.get(name, found.application.strip('"')) in (path / file).read_text().splitlines()[found.line - 1]


def test_reading_what_phoenix_generates(checkout: Callable[[str], Path]) -> None:
    """The unit's variables decide, as they do when the release starts."""
    path, [stage, _] = checkout("mix"), environments("mix")
    (path / "config").mkdir()
    (path / "config/config.exs").write_text('import Config\nimport_config "#{config_env()}.exs"\n')
    (path / "config/stage.exs").write_text("import Config\n")
    (path / "config/runtime.exs").write_text(
        "import Config\n\n"
        'if System.get_env("PHX_SERVER") do\n  config :billing, BillingWeb.Endpoint, server: true\nend\n\n'
        "if config_env() == :stage do\n"
        '  host = System.get_env("PHX_HOST") || "example.com"\n'
        '  port = String.to_integer(System.get_env("PORT") || "4000")\n\n'
        "  config :billing, BillingWeb.Endpoint,\n"
        '    url: [host: host, port: 80, scheme: "http"],\n'
        "    http: [ip: {127, 0, 0, 1}, port: port]\nend\n"
    )
    read = compare.checkout(path, [stage])
    assert [d for d in compare.differences(read, stage) if d.file.startswith("config")] == []
    found = read_configuration(read, stage).settings["billing", "BillingWeb.Endpoint", "http", "port"]
    assert (found.value, found.file, found.line) == (4001, "config/runtime.exs", 13)
