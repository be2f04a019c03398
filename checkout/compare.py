"""Compares an application's checkout with the group data."""

from collections.abc import Sequence
from pathlib import Path

from checkout import (
    compare_configuration,
    compare_dependencies,
    compare_distillery,
    compare_mix,
    compare_toolchain,
)
from checkout.compare_names import likely_endpoint
from checkout.configuration import read_configuration, settings_file
from checkout.difference import Difference
from checkout.endpoint import unknown_settings
from checkout.files import ApplicationError, Read, from_disk
from checkout.project import read_project
from checkout.way import takes_variables
from group_data.schema.environment import Environment


def checkout(path: Path, chosen: Sequence[Environment]) -> Read:
    """Opens a checkout for reading.

    + path: its directory
    + chosen: the environments to compare it with

    Raises ApplicationError when the directory is not a checkout of this application, or when two environments would have
    their settings in one file.
    """
    if not (path / "mix.exs").is_file():
        raise ApplicationError(f"APP={path} is no checkout of a Mix project: there is no mix.exs in it")
    read = from_disk(path)
    built: dict[Path, str] = {}
    for environment in chosen:
        project = read_project(read, environment)
        if (app := project.app) not in (None, environment.app):
            raise ApplicationError(
                f"APP={path} is the application {app}, and the group data is about {environment.app}: name its checkout, "
                "or set app in group_data/all.py"
            )
        if project.is_umbrella and read(f"apps/{environment.app}/mix.exs") is None:
            raise ApplicationError(
                f"APP={path} is an umbrella without apps/{environment.app}: set app in group_data/all.py to the application "
                "that has the repo"
            )
        if takes_variables(read, environment):
            # Whatever differs comes from the unit.
            continue
        file = settings_file(environment)
        # One file may be a link to the other.
        other = built.setdefault((path / file).resolve(), environment.environment)
        if other != environment.environment:
            raise ApplicationError(
                f"{other} and {environment.environment} would both have their settings in {file} and could not differ: "
                "set mix_env or deployment_config for one of them in group_data, split the file, or read them in "
                "config/runtime.exs from the unit's variables, as mix phx.new writes it"
            )
    return read


def differences(read: Read, environment: Environment) -> list[Difference]:
    """The settings in which the application does not agree with an environment.

    + read: reads a file of the checkout
    + environment: to compare with

    Raises ElixirError when a file is not Elixir.
    """
    tool = compare_mix if environment.secrets_read_at_start else compare_distillery
    compared = [
        *compare_configuration.compare(read, environment),
        *tool.compare(read, environment),
        *compare_toolchain.compare(read, environment),
        *compare_dependencies.compare(read, environment),
    ]
    return [Difference(environment.environment, *rest) for rest in compared]


def unknown(read: Read, environment: Environment) -> list[str]:
    """The settings of the endpoint that only running the application would tell, each with its place.

    + read: reads a file of the checkout
    + environment: to compare with; one whose application has the secret file has none, because app-apply sets them all
    """
    if not takes_variables(read, environment):
        return []
    found = read_configuration(read, environment)
    near = likely_endpoint(found.settings, environment) or (environment.web_app, environment.endpoint)
    return [f"{name} ({place.file}:{place.line})" for name, place in unknown_settings(found, near)]


def assets(read: Read, environment: Environment) -> str | None:
    """The line of group data that builds the assets; None if a build has commands already, or the application has none.

    + read: reads a file of the checkout
    + environment: with the commands of a build
    """
    if environment.build_commands or not takes_variables(read, environment):
        return None
    settings = read_configuration(read, environment).settings
    if not any(path[-1] == "cache_static_manifest" and setting.value for path, setting in settings.items()):
        return None
    commands = {
        "": "mix assets.deploy",
        f"apps/{environment.web_app}/": f"cd apps/{environment.web_app} && mix assets.deploy",
    }
    found = [command for folder, command in commands.items() if '"assets.deploy"' in (read(f"{folder}mix.exs") or "")]
    return f'build_commands = ["{found[0] if found else "mix phx.digest"}"]'
