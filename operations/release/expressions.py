"""Elixir that runs in a release: migrations, and the version that runs."""

from group_data.schema.environment import Environment

# The version of the boot script the VM was started with: the version that runs, whatever is on the disk by now. Both release
# tools name the script after the release (init(3), script_id/0).
RUNNING_VERSION = ":init.script_id() |> elem(1) |> IO.puts()"


def migrate(environment: Environment) -> str:
    """Migrates the database.

    + environment: whose application runs it
    """
    return environment.migrate_command or f"{environment.app_module_name}.Release.migrate()"


def migrate_down(environment: Environment) -> str:
    """Takes migrations back, with {version} for the last of them.

    + environment: whose application runs it
    """
    module, repo = environment.app_module_name, environment.repo
    return environment.migrate_down_command or f"{module}.Release.rollback({repo}, {{version}})"


def migrations(environment: Environment) -> str:
    """Prints `up` or `down`, version and name of each migration.

    + environment: whose application runs it
    """
    return environment.migrations_command or (
        f"Application.load(:{environment.app}); "
        f"{{:ok, all, _}} = Ecto.Migrator.with_repo({environment.repo}, &Ecto.Migrator.migrations/1); "
        'for {state, version, name} <- all, do: IO.puts("#{state} #{version} #{name}")'
    )
