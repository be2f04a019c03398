"""The expressions about migrations, evaluated by each Debian's Elixir with stand-ins for Ecto and for a release."""

import subprocess
from pathlib import Path

import pytest

from group_data.schema.environment import Environment
from operations.release import expressions
from tests.sandbox.image import image, run_in
from tests.unit.conftest import STAGE

STAND_IN = Path(__file__).with_name("ecto.exs")
LIMITED = '[application_name: "billing_stage migration", lock_timeout: "5s"]'


class Release:
    """A release with an umbrella's two applications. Three repos of Billing are configured, and one of Audit.

    + directory: an empty one
    + distribution: trixie or bookworm
    """

    def __init__(self, directory: Path, distribution: str) -> None:
        self.directory, self.distribution = directory, distribution
        self.application("billing", "['Elixir.Billing.Repo', 'Elixir.Billing.Cache', 'Elixir.Billing.Replica']")
        self.application("audit", "['Elixir.Audit.Repo']")
        self.migration("Billing.Repo", "20260101000000_users")
        self.migration("Billing.Repo", "2026/20260201000000_index", "  @disable_ddl_transaction true\n")
        self.migration("Audit.Repo", "20260101000000_entries")

    def application(self, name: str, repos: str) -> None:
        path = self.directory / "lib" / name / "ebin" / f"{name}.app"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'{{application, {name}, [{{vsn, "1"}}, {{modules, []}}, {{env, [{{ecto_repos, {repos}}}]}}]}}.\n'
        )

    def migration(self, repo: str, name: str, content: str = "") -> None:
        path = self.directory / "priv" / repo / "migrations" / f"{name}.exs"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def evaluate(self, *names: str, ecto: str = "yes", release: str = "no", **settings: object) -> list[str]:
        """The lines that the expressions print: list, migrate, and down-REPO-VERSION."""
        run = self.run(*names, ecto=ecto, release=release, **settings)
        assert (run.returncode, run.stderr) == (0, "")
        return run.stdout.splitlines()

    def run(
        self, *names: str, ecto: str = "yes", release: str = "no", **settings: object
    ) -> "subprocess.CompletedProcess[str]":
        environment = Environment.model_validate(STAGE | settings)
        texts = {
            "list": expressions.migrations(environment),
            "migrate": expressions.migrate(environment),
            "down": expressions.migrate_down(environment),
        }
        for name in names:
            word, _, place = name.partition("-")
            repo, _, version = place.partition("-")
            text = texts[word].replace("{lock_timeout}", "5")
            if word == "down":
                text = text.replace("{repo}", repo).replace("{version}", version)
            (self.directory / f"{name}.exs").write_text(text)
        (self.directory / "ecto.exs").write_text(STAND_IN.read_text())
        return run_in(
            image(self.distribution, "elixir"),
            f"ECTO={ecto} RELEASE={release} LC_ALL=C.UTF-8 elixir -pa '/place/lib/*/ebin' /place/ecto.exs {' '.join(names)}",
            binds={self.directory: ("/place", True)},
        )


@pytest.fixture
def mine(tmp_path: Path, release: str) -> Release:
    return Release(tmp_path, release)


def test_every_repo_of_every_application(mine: Release) -> None:
    """Also without Billing.Release, and beside repos that cannot migrate or have no migrations."""
    assert mine.evaluate("list", "migrate", "down-Billing.Repo-20260201000000", "list") == [
        "# list",
        "migrations:",
        "down 20260101000000 users [Billing.Repo]",
        "down 20260201000000 index [Billing.Repo]",
        "outside down 20260201000000 index [Billing.Repo]",
        "down 20260101000000 entries [Audit.Repo]",
        "# migrate",
        "# down-Billing.Repo-20260201000000",
        "# list",
        "migrations:",
        "up 20260101000000 users [Billing.Repo]",
        "down 20260201000000 index [Billing.Repo]",
        "outside down 20260201000000 index [Billing.Repo]",
        "up 20260101000000 entries [Audit.Repo]",
        "# parameters",
        LIMITED,
        # Of another database than PostgreSQL.
        "nil",
    ]


def test_the_releases_own_functions_and_ecto_for_the_other_application(mine: Release) -> None:
    lines = mine.evaluate(
        "migrate", "down-Billing.Repo-20260201000000", "down-Audit.Repo-20260101000000", "list", release="yes"
    )
    assert lines[:-3] == [
        "# migrate",
        "Billing.Release.migrate()",
        "# down-Billing.Repo-20260201000000",
        "Billing.Release.rollback(Billing.Repo, 20260201000000)",
        "# down-Audit.Repo-20260101000000",
        "# list",
        "migrations:",
        "up 20260101000000 users [Billing.Repo]",
        "down 20260201000000 index [Billing.Repo]",
        "outside down 20260201000000 index [Billing.Repo]",
        "down 20260101000000 entries [Audit.Repo]",
    ]


def test_one_repo_is_not_named(mine: Release) -> None:
    mine.application("audit", "[]")
    mine.application("billing", "['Elixir.Billing.Repo']")
    assert mine.evaluate("migrate", "down--20260201000000", "list")[2:6] == [
        "# list",
        "migrations:",
        "up 20260101000000 users",
        "down 20260201000000 index",
    ]


def test_a_repo_that_no_configuration_names(mine: Release) -> None:
    """The default one, or the one that repo_module names."""
    mine.application("audit", "[]")
    mine.application("billing", "[]")
    assert "down 20260101000000 users" in mine.evaluate("list")
    assert "down 20260101000000 entries" in mine.evaluate("list", repo_module="Audit.Repo")


def test_an_application_without_ecto(mine: Release) -> None:
    mine.application("audit", "[]")
    mine.application("billing", "[]")
    assert mine.evaluate("list", "migrate", ecto="no")[:3] == ["# list", "migrations:", "# migrate"]


def test_migrations_without_ecto_are_not_skipped_in_silence(mine: Release) -> None:
    mine.application("billing", "[]")
    run = mine.run("list", ecto="no", release="yes")
    assert run.returncode == 1
    assert "Billing.Release.migrate/0 migrates something, and there is no Ecto to list it" in run.stderr


def test_commands_of_ones_own(mine: Release) -> None:
    own = {
        "migrations_command": 'IO.puts("up 1 mine")',
        "migrate_command": 'IO.puts("own")',
        "migrate_down_command": 'IO.puts("{repo} {version}")',
    }
    assert mine.evaluate("list", "migrate", "down-Audit.Repo-7", **own)[:-2] == [
        "# list", "migrations:", "up 1 mine", "# migrate", "own", "# down-Audit.Repo-7", "Audit.Repo 7", "# parameters",
    ]  # fmt: skip
