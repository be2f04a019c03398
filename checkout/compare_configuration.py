"""Differences in the configuration of an application."""

from collections.abc import Iterator
from pathlib import Path

from checkout.blocks import without_blocks
from checkout.configuration import Configuration, read_configuration, settings_file
from checkout.difference import Compared, compare_setting, shown_value
from checkout.files import Read
from checkout.values import Atom, Setting
from group_data.schema.environment import Environment


def compare(read: Read, environment: Environment) -> Iterator[Compared]:
    """The differences in the configuration.

    + read: reads a file of the checkout
    + environment: to compare with
    """
    found = read_configuration(read, environment)
    yield from _module(read, environment)
    yield from _endpoint(found, environment)
    yield from _needed(found)
    yield from _other_secret_files(found, environment)
    yield from _appsignal(found, environment)
    if not environment.secrets_read_at_start:
        yield from _secret_file(found, environment)


def _endpoint(found: Configuration, environment: Environment) -> Iterator[Compared]:
    path = (environment.app, environment.endpoint)

    def setting(*keys: str) -> Setting:
        if (known := found.settings.get((*path, *keys))) is not None:
            return known
        near = [value for other, value in found.settings.items() if other[:2] == path]
        return Setting(None, near[-1].file, near[-1].line) if near else Setting(None, settings_file(environment), 1)

    yield from compare_setting("port", setting("http", "port"), environment.port)
    yield from compare_setting("bind address", setting("http", "ip"), (127, 0, 0, 1), Atom("loopback"))
    yield from compare_setting("url host", setting("url", "host"), environment.domain)
    yield from compare_setting("url scheme", setting("url", "scheme"), environment.scheme)
    yield from compare_setting("url port", setting("url", "port"), environment.url_port)
    yield from compare_setting("server", setting("server"), True)
    # Phoenix before 1.4 then takes the port from PORT and ignores the configuration.
    yield from compare_setting("load_from_system_env", setting("load_from_system_env"), False, None)


def _module(read: Read, environment: Environment) -> Iterator[Compared]:
    """An endpoint whose name differs between the application and the group data."""
    settings = read_configuration(without_blocks(read), environment).settings
    endpoints = {path[1]: setting for path, setting in settings.items() if path[0] == environment.app and len(path) > 2}
    if environment.endpoint not in endpoints:
        for name, setting in endpoints.items():
            if name.rpartition(".")[2] == "Endpoint":
                yield "endpoint", name, environment.endpoint, setting.file, setting.line


def _other_secret_files(found: Configuration, environment: Environment) -> Iterator[Compared]:
    own = Path(environment.secret_path).name
    for file, place in found.files.items():
        if file.endswith(".secret.exs") and file.rpartition("/")[2] != own:
            yield "import of a secret file", shown_value(place.value), f'"{own}" alone', place.file, place.line


def _needed(found: Configuration) -> Iterator[Compared]:
    for file, missing in found.missing:
        yield (
            missing.name,
            "needed",
            "no such variable: leave it to the secret file, or, if it is no secret, set unit_environment",
            file,
            missing.line,
        )


def _appsignal(found: Configuration, environment: Environment) -> Iterator[Compared]:
    if not environment.appsignal:
        return
    for key in ("working_directory_path", "working_dir_path"):
        setting = found.settings.get(("appsignal", "config", key))
        if setting and str(setting.value).rstrip("/") not in (environment.root, environment.appsignal_path):
            yield (
                "AppSignal's working directory",
                shown_value(setting.value),
                shown_value(environment.appsignal_path),
                setting.file,
                setting.line,
            )


def _secret_file(found: Configuration, environment: Environment) -> Iterator[Compared]:
    name = Path(environment.secret_path).name
    if f"config/{name}" not in found.files:
        yield "import of the secret file", "not set", f'import_config "{name}"', settings_file(environment), 1
