"""Elixir expressions for a release: migrations, and the running version."""

from group_data.schema.environment import Environment

# The version in the VM's boot script: it is the running version, whatever is on the disk by now. Both release tools name the
# script after the release (init(3), script_id/0).
RUNNING_VERSION = ":init.script_id() |> elem(1) |> IO.puts()"


def migrate(environment: Environment) -> str:
    """The expression that migrates the database.

    + environment: of the application
    """
    return environment.migrate_command or f"{environment.app_module_name}.Release.migrate()"


def migrate_down(environment: Environment) -> str:
    """The expression that takes migrations back; {version} stands for the last migration to take back.

    + environment: of the application
    """
    module, repo = environment.app_module_name, environment.repo
    return environment.migrate_down_command or f"{module}.Release.rollback({repo}, {{version}})"


def migrations(environment: Environment) -> str:
    """The expression that prints `up` or `down`, version and name of each migration.

    + environment: of the application
    """
    return environment.migrations_command or (
        f"Application.load(:{environment.app}); "
        f"{{:ok, all, _}} = Ecto.Migrator.with_repo({environment.repo}, &Ecto.Migrator.migrations/1); "
        'for {state, version, name} <- all, do: IO.puts("#{state} #{version} #{name}")'
    )
