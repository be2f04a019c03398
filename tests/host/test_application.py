"""An application in step with the data compiles, builds, releases and serves; and mistakes in its sources."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.project import CHECKOUT, Run
from tests.host.releases import page
from tests.sandbox.image import image, run_in

pytestmark = TRIXIE

# The configuration is evaluated as a build does it, with a secret file as the hook links it; what needs Hex is parsed.
EVALUATE = {
    "mix": """\
mix format --check-formatted mix.exs config/*.exs </dev/null
for environment in stage prod; do
    MIX_ENV=$environment mix release --quiet --overwrite </dev/null
    test -x _build/$environment/rel/billing/bin/billing
done
""",
    "distillery": """\
for environment in stage prod; do
    echo 'use Mix.Config' > config/$environment.secret.exs
    echo 'config :billing, BillingWeb.Endpoint, secret_key_base: "word"' >> config/$environment.secret.exs
    MIX_ENV=$environment elixir -e '
        Mix.start()
        Mix.env(:'$environment')
        config = Config.Reader.read!("config/config.exs", env: :'$environment')
        IO.inspect(config[:billing][BillingWeb.Endpoint], limit: :infinity)
        IO.inspect(config[:appsignal][:config])' </dev/null
done
elixir -e 'for file <- ["mix.exs", "rel/config.exs"], do: Code.string_to_quoted!(File.read!(file), file: file)' </dev/null
bash -n .deliver/config
""",
}


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], capture_output=True, check=True)


def commit(directory: Path) -> None:
    """All there is, and a new revision even where nothing changed."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--allow-empty", "--message=change")


def in_step(host: Host, application: Path, *arguments: str) -> Run:
    """The checkout is changed without a question."""
    return host.project.make("app-apply", f"APP={application}", "YES=1", *arguments).require_success()


@pytest.mark.everything
@pytest.mark.parametrize("tool", ["mix", "distillery"])
def test_elixir_compiles_the_result(host: Host, release: str, tmp_path: Path, tool: str) -> None:
    application = Path(shutil.copytree(CHECKOUT / "tests/applications" / tool, tmp_path / tool))
    host.project.edit("all", release_tool=tool)
    refused = host.project.make("app-check", f"APP={application}")
    assert (refused.exit_code, "config/stage.exs:" in refused.output) == (2, True), refused.output
    planned = host.project.make("app-plan", f"APP={application}", "ENV=stage")
    assert (planned.exit_code, "config/stage.exs: @local" in planned.output) == (2, True), planned.output
    in_step(host, application)
    assert host.project.make("app-check", f"APP={application}").require_success()
    again = host.project.make("app-apply", f"APP={application}")
    host.project.edit("all", release_tool="mix")
    assert (again.exit_code, "Nothing would change." in again.output) == (0, True), again.output
    run = run_in(
        image(release, "elixir"), f"set -eu; cd /source; {EVALUATE[tool]}", binds={application: ("/source", False)}
    )
    assert run.returncode == 0, run.stdout + run.stderr
    if tool == "distillery":
        assert "port: 4001" in run.stdout
        assert 'working_directory_path: "/home/billing/prod/appsignal"' in run.stdout
        assert "load_from_system_env: false" in run.stdout


@pytest.fixture(scope="module")
def application(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the repository group data names, in step with it, released to stage."""
    path = tmp_path_factory.mktemp("application") / "billing"
    shutil.copytree(CHECKOUT / "tests/applications/mix", path)
    git(path, "init", "--quiet", "--initial-branch=main")
    host.project.edit("all", repository=str(path), migrations_command=None, migrate="never")
    in_step(host, path)
    update(host, path)
    return path


def update(host: Host, application: Path) -> None:
    """What is in the checkout is built and runs."""
    commit(application)
    host.project.make("update", "ENV=stage", "YES=1").require_success()


def test_it_is_built_released_and_serves(host: Host, application: Path) -> None:
    assert page(host.machine, "stage").text == (
        "host stage.billing.example.com, node billing_stage@127.0.0.1, secret known\n"
    )
    assert "stage: nothing is wrong" in host.project.make("doctor", "ENV=stage").require_success().output


def test_the_pipeline_of_the_application(host: Host, application: Path) -> None:
    """The command behind app-check needs neither vault nor host, and says its findings as JSON."""
    config = application / "config/runtime.exs"
    text = config.read_text()
    config.write_text(text.replace("port: 4001", "port: 4000"))
    run = host.project.run(".venv/bin/python", "-m", "commands.app_check", "--app", str(application), "stage", "--json")
    config.write_text(text)
    assert run.exit_code == 2
    assert '"application": "4000",\n    "expected": "4001",\n    "file": "config/runtime.exs"' in run.output


# --- What the sources get wrong, seen in what runs --------------------------------------------------------------------


def append(file: str, line: str) -> Callable[[Path], None]:
    """The team's own last line, below ours."""

    def plant(application: Path) -> None:
        with (application / file).open("a") as text:
            text.write(f"{line}\n")

    return plant


PLANTED = {
    "bind address": (
        append("config/runtime.exs", "config :billing, BillingWeb.Endpoint, http: [ip: {0, 0, 0, 0}]"),
        "the application listens on 0.0.0.0:4001, not on 127.0.0.1 alone",
    ),
    "node name": (
        append("rel/env.sh.eex", "export RELEASE_NODE=other@127.0.0.1"),
        "epmd knows no node billing_stage; it knows: other",
    ),
    "AppSignal": (
        append("rel/env.sh.eex", "export APPSIGNAL_WORKING_DIRECTORY_PATH=/tmp/appsignal"),
        "AppSignal works in /tmp/appsignal, not in /home/billing/stage/appsignal",
    ),
}


@pytest.mark.everything
@pytest.mark.parametrize(
    # Each one is built and released twice.
    "name",
    ["node name", "bind address", "AppSignal"],
)
def test_the_doctor_finds_it_until_it_is_mended(host: Host, application: Path, name: str) -> None:
    """The health check of a release cannot tell: the site answers, and the node by the name it has."""
    plant, what = PLANTED[name]
    plant(application)
    update(host, application)
    found = host.project.make("doctor", "ENV=stage")
    assert (found.exit_code, what in found.output) == (2, True), found.output
    assert f"Mend: {'take it out of rel/env.sh.eex' if name == 'AppSignal' else 'make app-apply'}" in found.output
    if name == "AppSignal":
        file = application / "rel/env.sh.eex"
        file.write_text(file.read_text().replace("export APPSIGNAL_WORKING_DIRECTORY_PATH=/tmp/appsignal\n", ""))
    in_step(host, application)
    update(host, application)
    assert "stage: nothing is wrong" in host.project.make("doctor", "ENV=stage").require_success().output


@pytest.mark.everything
def test_server_true_forgotten(host: Host, application: Path) -> None:
    """A release of that kind is refused: here it came by another way."""
    host.machine.run(
        "sed -i 's/server: true/server: false/' /home/billing/stage/billing/releases/*/runtime.exs;"
        " systemctl restart billing_stage"
    )
    found = host.project.make("doctor", "ENV=stage")
    assert (found.exit_code, "server: true is missing for BillingWeb.Endpoint" in found.output) == (2, True), (
        found.output
    )
    in_step(host, application)
    update(host, application)
    assert "stage: nothing is wrong" in host.project.make("doctor", "ENV=stage").require_success().output


@pytest.mark.everything
def test_a_port_that_was_changed_in_the_data_alone(host: Host, application: Path) -> None:
    host.project.edit("stage", port=4005)
    host.project.apply("--limit", "stage").require_success()
    found = host.project.make("doctor", "ENV=stage")
    assert found.exit_code == 2
    assert "the application listens on 127.0.0.1:4001, not on 127.0.0.1:4005" in found.output
    in_step(host, application)
    update(host, application)
    assert "stage: nothing is wrong" in host.project.make("doctor", "ENV=stage").require_success().output
    assert page(host.machine, "stage").status == 200
