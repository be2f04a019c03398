"""Elixir for a release: its migrations, and the running version.

The longer expressions are files in templates/migrations/. A release gets one as a single argument of `bin/<app> eval`. They
work with Elixir 1.14 and later, and define no module, because the running node evaluates some of them, too.
"""

from group_data.schema.environment import Environment
from operations.host.rendering import render

# The version in the VM's boot script: it is the running version, whatever is on the disk by now. Both release tools name the
# script after the release (init(3), script_id/0).
RUNNING_VERSION = ":init.script_id() |> elem(1) |> IO.puts()"


def migrate(environment: Environment) -> str:
    """The expression that migrates the database; {lock_timeout} stands for seconds, 0 for no limit.

    + environment: of the application
    """
    return render("migrations/migrate.exs.j2", environment=environment).strip()


def migrate_down(environment: Environment) -> str:
    """The expression that takes migrations back.

    {version} stands for the last migration to take back, {repo} for its repo, or for nothing if there is one repo alone,
    {lock_timeout} for seconds, 0 for no limit.

    + environment: of the application
    """
    return render("migrations/migrate_down.exs.j2", environment=environment).strip()


def migrations(environment: Environment) -> str:
    """The expression that prints `up` or `down`, version and name of each migration, and its repo if there are several.

    + environment: of the application
    """
    return render("migrations/list.exs.j2", environment=environment).strip()
