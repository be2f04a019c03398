"""Differences in the configuration of an application."""

from collections.abc import Iterator
from pathlib import Path

from checkout import compare_endpoint, compare_names
from checkout.blocks import without_blocks
from checkout.configuration import Configuration, read_configuration, settings_file
from checkout.difference import Compared, shown_value
from checkout.files import Read
from checkout.needed import needed
from checkout.way import knows_prod_alone, takes_variables, with_mix_env_prod
from group_data.schema.environment import Environment


def compare(read: Read, environment: Environment) -> Iterator[Compared]:
    """The differences in the configuration.

    + read: reads a file of the checkout
    + environment: to compare with
    """
    variables = takes_variables(read, environment)
    if variables and knows_prod_alone(read, environment):
        yield _mix_env(environment)
        environment = with_mix_env_prod(environment)
    found = read_configuration(read, environment)
    if variables:
        yield from _missing_files(read, found, environment)
    settings = read_configuration(without_blocks(read), environment).settings
    yield from compare_names.compare(read, settings, environment)
    # Under another name the endpoint is there, and only its name is wrong.
    if variables and (there := compare_names.likely_endpoint(settings, environment)):
        environment = environment.model_copy(update={"endpoint_app": there[0], "endpoint_module": there[1]})
    yield from compare_endpoint.compare(found, environment, variables=variables)
    yield from compare_endpoint.compare_with_prod(read, found, environment)
    yield from needed(found, environment)
    yield from _other_secret_files(found, environment)
    yield from _appsignal(found, environment)
    if not variables:
        yield from _appsignal_unset(read, found, environment)
    if not environment.secrets_read_at_start:
        yield from _secret_file(found, environment)


def _mix_env(environment: Environment) -> Compared:
    return Compared(
        "MIX_ENV",
        f"prod alone, because there is no {settings_file(environment)}",
        environment.mix_env,
        "config/config.exs",
        1,
        f'set mix_env = "prod" in group_data/{environment.environment}.py',
    )


def _missing_files(read: Read, found: Configuration, environment: Environment) -> Iterator[Compared]:
    """Imports without which a build ends. For an application with the secret file, app-apply makes the file."""
    for file, place in found.files.items():
        if place.value != file and not file.endswith(".secret.exs") and read(file) is None:
            hint = f'set mix_env = "prod" in group_data/{environment.environment}.py, or add {file}'
            yield Compared("an import", shown_value(place.value), "no such file", place.file, place.line, hint)


def _other_secret_files(found: Configuration, environment: Environment) -> Iterator[Compared]:
    own = Path(environment.secret_path).name
    for file, place in found.files.items():
        if file.endswith(".secret.exs") and file.rpartition("/")[2] != own:
            shown = shown_value(place.value)
            yield Compared("import of a secret file", shown, f'"{own}" alone', place.file, place.line)


def _appsignal(found: Configuration, environment: Environment) -> Iterator[Compared]:
    if not environment.appsignal:
        return
    for key in ("working_directory_path", "working_dir_path"):
        setting = found.settings.get(("appsignal", "config", key))
        if setting and str(setting.value).rstrip("/") not in (environment.root, environment.appsignal_path):
            yield Compared(
                "AppSignal's working directory",
                shown_value(setting.value),
                shown_value(environment.appsignal_path),
                setting.file,
                setting.line,
            )


def _appsignal_unset(read: Read, found: Configuration, environment: Environment) -> Iterator[Compared]:
    keys = [("appsignal", "config", key) for key in ("working_directory_path", "working_dir_path")]
    if has_appsignal(read, environment) and not any(key in found.settings for key in keys):
        expected = shown_value(environment.appsignal_path)
        yield Compared("AppSignal's working directory", "not set", expected, "config/appsignal.exs", 1)


def has_appsignal(read: Read, environment: Environment) -> bool:
    """Whether application and environment have AppSignal.

    + read: reads a file of the checkout
    + environment: with the setting
    """
    known = read("config/appsignal.exs") is not None or ":appsignal" in (read("mix.exs") or "")
    return environment.appsignal and known


def _secret_file(found: Configuration, environment: Environment) -> Iterator[Compared]:
    name = Path(environment.secret_path).name
    if f"config/{name}" not in found.files:
        expected = f'import_config "{name}"'
        yield Compared("import of the secret file", "not set", expected, settings_file(environment), 1)
