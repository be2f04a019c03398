"""Real Elixir reads mix.exs alone, on both Debians, and builds an application that cannot be configured while building."""

from pathlib import Path

from group_data.schema.environment import Environment
from operations.host import program
from operations.release import build
from tests.sandbox.image import image, run_in

# Each `mix.exs` says what is in its project; the configuration beside it raises.
PROJECTS = {
    "attribute": '[app: :billing, version: @version, elixir: "~> 1.12", listeners: [Phoenix.CodeReloader], deps: deps()]',
    "umbrella": '[apps_path: "apps", version: "0.1.0", releases: [billing: [applications: [billing_web: :permanent]]]]',
    "of_release": '[apps_path: "apps", releases: [billing: fn -> [version: "3.1.0"] end, other: []]]',
    "of_application": '[apps_path: "apps", releases: [billing: [version: {:from_app, :billing_web}]]]',
    "no_version": '[apps_path: "apps", releases: [billing: []]]',
    "too_new": '[app: :billing, version: "1.0.0", elixir: "~> 1.99"]',
    "by_path": '[app: :billing, version: "1.0.0", deps: [{:one, path: "../one"}, {:two, "~> 1.0", path: "two"}]]',
    "raises": 'raise("no such file")',
}

MIX_EXS = """\
IO.puts("version=of somebody who prints")

defmodule {module}.MixProject do
  use Mix.Project
  @version String.trim(File.read!("VERSION"))
  def version, do: @version
  def project, do: {project}
  def deps, do: [{{:phoenix, "~> 1.8"}}]
end
"""

ASK = """\
cd /projects
for name in *; do
    cd "/projects/$name"
    echo "== $name"
    MIX_ENV=prod elixir /read_project.exs answers billing > printed 2> errors || head -n 1 errors
    [ ! -e answers ] || cat answers
done
"""

# An application as `mix phx.new` writes it, with a stand-in for Phoenix: its listener exists once dependencies are compiled.
GENERATED = {
    "mix.exs": """\
defmodule Billing.MixProject do
  use Mix.Project
  def project do
    [app: :billing, version: "0.1.0", listeners: [Phoenix.CodeReloader], deps: [{:phoenix, path: "phoenix"}]]
  end
  def application, do: [extra_applications: [:logger]]
end
""",
    "config/config.exs": "import Config\n",
    "config/runtime.exs": 'raise "environment variable DATABASE_URL is missing."\n',
    "lib/billing.ex": "defmodule Billing do\nend\n",
    "phoenix/mix.exs": 'defmodule P do\n  use Mix.Project\n  def project, do: [app: :phoenix, version: "1.8.1"]\nend\n',
    "phoenix/lib/code_reloader.ex": """\
defmodule Phoenix.CodeReloader do
  use GenServer
  def start_link(_), do: GenServer.start_link(__MODULE__, [])
  def init(_), do: {:ok, []}
  def handle_info(_, state), do: {:noreply, state}
end
""",
}


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def answers(output: str) -> dict[str, dict[str, str]]:
    """What each project said."""
    parts = [part.splitlines() for part in output.split("== ")[1:]]
    return {name: dict(line.partition("=")[::2] for line in lines) for name, *lines in parts}


def test_mix_exs_says_its_version_and_releases(release: str, tmp_path: Path) -> None:
    projects, reader = tmp_path / "projects", tmp_path / "read_project.exs"
    for name, project in PROJECTS.items():
        mix_exs = MIX_EXS.format(module=name.title().replace("_", ""), project=project)
        write(projects / name, {"mix.exs": mix_exs, "VERSION": "1.2.3\n", "config/config.exs": 'raise "evaluated"\n'})
        write(projects / name, {"config/runtime.exs": 'raise "evaluated"\n'})
    of_application = MIX_EXS.format(module="Web", project='[app: :billing_web, version: "4.5.6"]')
    write(projects / "of_application/apps/billing_web", {"mix.exs": of_application, "VERSION": ""})
    reader.write_text(program.text("read_project.exs"))
    binds = {projects: ("/projects", False), reader: ("/read_project.exs", True)}
    run = run_in(image(release, "elixir"), ASK, binds=binds)
    told = answers(run.stdout)
    assert list(told) == sorted(PROJECTS), run.stdout + run.stderr
    assert {name: one.get("version") for name, one in told.items()} == {
        "attribute": "1.2.3", "by_path": "1.0.0", "no_version": "", "of_application": "4.5.6", "of_release": "3.1.0",
        "raises": None, "too_new": "1.0.0", "umbrella": "0.1.0",
    }  # fmt: skip
    assert told["raises"] == {"** (RuntimeError) no such file": ""}
    assert [name for name, one in told.items() if one.get("outdated") == "true"] == ["too_new"]
    assert [name for name, one in told.items() if one.get("fetches") == "true"] == ["attribute"]
    assert told["of_release"]["releases"] == "billing other"
    assert (told["umbrella"]["umbrella"], told["attribute"]["app"]) == ("apps", "billing")


def test_an_application_that_only_its_unit_can_configure_is_built(release: str, tmp_path: Path) -> None:
    source, build_program = tmp_path / "scratch/source", tmp_path / "build"
    write(source, GENERATED)
    build_program.write_text(program.text("build.sh"))
    environment = Environment(app="billing", environment="prod", domain="billing.example.com", port=4000)
    write(tmp_path, {"build.exs": program.text("read_project.exs"), "build.conf": build._conf(environment)})
    command = "cd /place/scratch/source && REVISION=0123456789 BRANCH=main TAKEN= bash /place/build"
    run = run_in(image(release, "elixir"), command, binds={tmp_path: ("/place", False)})
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith("Built 0.1.0+")
    assert (tmp_path / "scratch/release.tar.gz").exists()
