"""Differences in the endpoint's configuration."""

from collections.abc import Iterator

from checkout.configuration import Configuration, read_configuration, settings_file
from checkout.difference import Compared, shown_value
from checkout.endpoint import wrong_settings
from checkout.files import Read
from checkout.needed import unit_environment
from checkout.values import Setting, Unknown
from checkout.way import with_mix_env_prod
from group_data.schema.environment import Environment


def compare(found: Configuration, environment: Environment, *, variables: bool) -> Iterator[Compared]:
    """The differences in the endpoint's configuration.

    + found: configuration of the application
    + environment: to compare with
    + variables: whether the application takes variables
    """
    for name, _, setting, expected in wrong_settings(found, environment, variables=variables):
        hint = (
            f"set {unit_environment(setting.unset[0], str(expected), environment)}"
            if variables and setting.unset
            else ""
        )
        yield Compared(name, shown_value(setting.value), shown_value(expected), setting.file, setting.line, hint)
    yield from _force_ssl(found, environment)


def _force_ssl(found: Configuration, environment: Environment) -> Iterator[Compared]:
    """Plug.SSL runs before every other plug, so it decides alone whether a page is redirected."""
    path = (environment.web_app, environment.endpoint, "force_ssl")
    settings = {known[3:]: setting for known, setting in found.settings.items() if known[:3] == path}
    if not settings or any(isinstance(setting.value, Unknown) for setting in settings.values()):
        return
    first = next(iter(settings.values()))
    if () in settings and first.value in (None, False):
        return
    if environment.tls == "none" and environment.domain not in _excluded(settings):
        yield Compared(
            "force_ssl",
            "set",
            'tls = "none": every page would redirect to HTTPS, which nginx does not serve',
            first.file,
            first.line,
            f'set tls in group_data/{environment.environment}.py, "self_signed" at least, or take force_ssl out',
        )
    if environment.tls != "none" and "x_forwarded_proto" not in _items(settings.get(("rewrite_on",))):
        yield Compared(
            "force_ssl",
            "without rewrite_on",
            "nginx in front, which speaks HTTP to it: every page would redirect to itself",
            first.file,
            first.line,
            "add rewrite_on: [:x_forwarded_proto] to force_ssl",
        )


def _items(setting: Setting | None) -> list[object]:
    return setting.value if setting and isinstance(setting.value, list) else []


def _excluded(settings: dict[tuple[str, ...], Setting]) -> list[object]:
    return [*_items(settings.get(("exclude",))), *_items(settings.get(("exclude", "hosts")))]


def compare_with_prod(read: Read, found: Configuration, environment: Environment) -> Iterator[Compared]:
    """The differences between a Mix environment of the team's own and prod, where one of them was forgotten.

    + read: reads a file of the checkout
    + found: configuration of the application
    + environment: to compare
    """
    for path, setting in settings_of_prod(read, environment).items():
        if path not in found.settings:
            name = "log level" if path[0] == "logger" else path[-1]
            consequence = " (without it, every SQL statement with its values is logged)" if path[0] == "logger" else ""
            expected = f"{shown_value(setting.value)} in {setting.file}{consequence}"
            yield Compared(name, "not set", expected, settings_file(environment), 1)


def settings_of_prod(read: Read, environment: Environment) -> dict[tuple[str, ...], Setting]:
    """The settings of config/prod.exs that another Mix environment needs, too: static manifest and log level.

    + read: reads a file of the checkout
    + environment: with a MIX_ENV of its own; others have none
    """
    if (
        settings_file(environment) == "config/prod.exs"
        or environment.deployment_config
        or read("config/prod.exs") is None
    ):
        return {}
    prod = read_configuration(read, with_mix_env_prod(environment)).settings
    wanted = ((environment.web_app, environment.endpoint, "cache_static_manifest"), ("logger", "level"))
    return {path: prod[path] for path in wanted if path in prod and not isinstance(prod[path].value, Unknown)}
