"""The settings of the endpoint in which an application and an environment differ."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from checkout.configuration import Configuration, settings_file
from checkout.values import Atom, Setting, Unknown
from group_data.schema.environment import Environment

# An address where nginx does not find the application: loopback of IPv6 alone, or a socket in the file system.
_IPV6_LOOPBACK = (0, 0, 0, 0, 0, 0, 0, 1)


class Wrong(NamedTuple):
    """A setting of the endpoint that differs.

    + name: of the setting, for people
    + keys: of the setting in the endpoint's configuration
    + setting: value in the application; None as value if it is not set
    + expected: value of the environment; None if the setting must not be there
    """

    name: str
    keys: tuple[str, ...]
    setting: Setting
    expected: object


def wrong_settings(found: Configuration, environment: Environment, *, variables: bool) -> Iterator[Wrong]:
    """Every setting of the endpoint that differs.

    + found: configuration of the application
    + environment: to compare with
    + variables: whether the application takes variables. Such an application may listen on all interfaces, because the host
      keeps its port to itself, and a value that only running it would tell is taken to be right
    """
    path = (environment.web_app, environment.endpoint)
    expected: list[tuple[str, tuple[str, ...], object, tuple[object, ...]]] = [
        ("port", ("http", "port"), environment.port, ()),
        ("bind address", ("http", "ip"), (127, 0, 0, 1), (Atom("loopback"),)),
        ("url host", ("url", "host"), environment.domain, ()),
        # Phoenix takes http for the scheme that is not set.
        (
            "url scheme",
            ("url", "scheme"),
            environment.scheme,
            ("http", None) if variables and environment.tls == "none" else (),
        ),
        ("url port", ("url", "port"), environment.url_port, ()),
        ("server", ("server",), True, ()),
        # Phoenix before 1.4 then takes the port from PORT and ignores the configuration.
        ("load_from_system_env", ("load_from_system_env",), False, (None,)),
    ]
    for name, keys, value, others in expected:
        setting = _setting(found, (*path, *keys), settings_file(environment))
        if not _agrees(setting.value, (value, *others)) and not (
            variables and _is_right(name, setting.value, value, found)
        ):
            yield Wrong(name, keys, setting, value)
    yield from _check_origin(found, environment)


def unknown_settings(found: Configuration, endpoint: tuple[str, str]) -> Iterator[tuple[str, Setting]]:
    """The places of the endpoint's settings that only running the application would tell, by name.

    + found: configuration of the application
    + endpoint: its application and module
    """
    wanted = {"port": ("http", "port"), "url host": ("url", "host"), "url port": ("url", "port"), "server": ("server",)}
    for name, keys in wanted.items():
        setting = _setting(found, (*endpoint, *keys), "")
        if isinstance(setting.value, Unknown):
            yield name, setting
        elif setting.value is None and found.unread:
            yield name, found.unread[0]


def _setting(found: Configuration, path: tuple[str, ...], file: str) -> Setting:
    if (known := found.settings.get(path)) is not None:
        return known
    for length in range(len(path) - 1, 1, -1):
        parent = found.settings.get(path[:length])
        if parent and isinstance(parent.value, Unknown):
            return parent
        for item in parent.value if parent and isinstance(parent.value, list) else []:
            if parent and isinstance(item, tuple) and item[:1] == path[-1:] and len(item) == 2:
                return parent._replace(value=item[1])
    near = [value for other, value in found.settings.items() if other[:2] == path[:2]]
    return Setting(None, near[-1].file, near[-1].line) if near else Setting(None, file, 1)


def _agrees(value: object, expected: Sequence[object]) -> bool:
    return any(value == other and type(value) is type(other) for other in expected)


def _is_right(name: str, value: object, expected: object, found: Configuration) -> bool:
    """Whether a value of an application that takes variables serves as well as the expected one."""
    if isinstance(value, Unknown) or value == (Atom("system"), "PORT") or (value is None and found.unread):
        return True
    match name:
        case "bind address":
            return not (value == _IPV6_LOOPBACK or (isinstance(value, tuple) and value[:1] == (Atom("local"),)))
        case "port" | "url port":
            return isinstance(value, str) and value == str(expected)
        case "server":
            serves = found.settings.get(("phoenix", "serve_endpoints"))
            return serves is not None and serves.value is True
        case _:
            return False


def _check_origin(found: Configuration, environment: Environment) -> Iterator[Wrong]:
    """The origins of websockets that Phoenix accepts: without a list of them only the host of `url:`."""
    setting = _setting(found, (environment.web_app, environment.endpoint, "check_origin"), settings_file(environment))
    expected = [f"//{name}" for name in environment.answered_names]
    match setting.value:
        case None | True if environment.additional_domains:
            yield Wrong("check_origin", ("check_origin",), setting, expected)
        case list() as origins if all(isinstance(origin, str) and not isinstance(origin, Atom) for origin in origins):
            if not all(
                any(_covers(str(origin), name, environment) for origin in origins)
                for name in environment.answered_names
            ):
                yield Wrong("check_origin", ("check_origin",), setting, expected)


def _covers(origin: str, name: str, environment: Environment) -> bool:
    parts = re.fullmatch(r"(?:([a-z]+):)?//([^:/]+)(?::(\d+))?/?", origin)
    if parts is None or parts[1] not in (None, environment.scheme) or parts[3] not in (None, str(environment.url_port)):
        return False
    host = parts[2]
    return name.endswith(host[1:]) if host.startswith("*.") else host == name
