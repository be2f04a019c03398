"""In what an application's checkout does not agree with the group data."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from checkout import sources
from checkout.blocks import without_blocks
from checkout.elixir import Atom, Evaluator, Unknown, line_of, pairs, shown
from checkout.sources import ApplicationError, Configuration, Read, Setting
from group_data.schema.environment import Environment

# Cookies are secrets: none is shown.
_LITERAL_COOKIE = "in this file, for everybody who has it"
_COOKIE = "one of its own, in $HOME/.erlang.cookie"

# What edeliver knows of environments, and calls them itself.
DELIVERED = {"stage": "TEST_AT", "prod": "DELIVER_TO"}


@dataclass(frozen=True)
class Difference:
    """A setting in which the application does not agree with an environment.

    + environment: short name
    + setting: e.g. "port"
    + application: its value, as its file has it
    + expected: the environment's
    + file: relative to the checkout
    + line: counted from 1
    """

    environment: str
    setting: str
    application: str
    expected: str
    file: str
    line: int

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.setting} of {self.environment} is {self.application}, and the environment has "
            f"{self.expected}"
        )


def checkout(path: Path, chosen: Sequence[Environment]) -> Read:
    """Reads the files of a checkout.

    + path: its directory
    + chosen: the environments it will be asked about

    Raises ApplicationError when it is none, or another's, or when two environments build the same from it.
    """
    if not (path / "mix.exs").is_file():
        raise ApplicationError(f"APP={path} is no checkout of a Mix project: there is no mix.exs in it")
    read = sources.from_disk(path)
    built: dict[Path, str] = {}
    for environment in chosen:
        if (app := sources.project(read, environment).app) not in (None, environment.app):
            raise ApplicationError(
                f"APP={path} is the application {app}, and the group data is about {environment.app}: name its checkout, "
                "or set app in group_data/all.py"
            )
        file = settings_file(environment)
        # One may be a link to the other.
        other = built.setdefault((path / file).resolve(), environment.environment)
        if other != environment.environment:
            raise ApplicationError(
                f"{other} and {environment.environment} would both have their settings in {file}, so that they could not "
                "differ: set mix_env, or deployment_config, in one of their files in group_data, or make two files of it"
            )
    return read


def differences(read: Read, environment: Environment) -> list[Difference]:
    """In what the application does not agree with an environment.

    + read: its files
    + environment: to compare with
    """
    found = sources.configuration(read, environment)
    compared = [*_module(read, environment), *_endpoint(found, environment), *_needed(found)]
    compared += [*_other_secret_files(found, environment), *_appsignal(found, environment)]
    if environment.secrets_read_at_start:
        compared += [*_mix_release(read, environment), *_env_sh(read, environment), *_vm_args_eex(read)]
    else:
        compared += [*_secret_file(found, environment), *_distillery(read, environment), *_edeliver(read, environment)]
    return [Difference(environment.environment, name, *rest) for name, *rest in compared]  # type: ignore[arg-type]


# setting, the application's value, the environment's, file, line
_Compared = tuple[str, str, str, str, int]


def _compare(name: str, setting: Setting, expected: object, *others: object) -> Iterator[_Compared]:
    """Nothing where the value is the expected one, or one of others that mean the same."""
    if not any(setting.value == other and type(setting.value) is type(other) for other in (expected, *others)):
        yield name, _shown(setting.value), _shown(expected), setting.file, setting.line


def _shown(value: object) -> str:
    return "not set" if value is None else value.text if isinstance(value, Unknown) else shown(value)


def settings_file(environment: Environment) -> str:
    """The file an environment's own settings stand in, relative to the checkout."""
    if environment.deployment_config:
        return f"config/deployment_config/{environment.deployment_config}.exs"
    return f"config/{environment.mix_env}.exs"


def _endpoint(found: Configuration, environment: Environment) -> Iterator[_Compared]:
    path = (environment.app, environment.endpoint)

    def setting(*keys: str) -> Setting:
        if (known := found.settings.get((*path, *keys))) is not None:
            return known
        near = [value for other, value in found.settings.items() if other[:2] == path]
        return Setting(None, near[-1].file, near[-1].line) if near else Setting(None, settings_file(environment), 1)

    yield from _compare("port", setting("http", "port"), environment.port)
    yield from _compare("bind address", setting("http", "ip"), (127, 0, 0, 1), Atom("loopback"))
    yield from _compare("url host", setting("url", "host"), environment.domain)
    yield from _compare("url scheme", setting("url", "scheme"), environment.scheme)
    yield from _compare("url port", setting("url", "port"), environment.url_port)
    yield from _compare("server", setting("server"), True)
    # With it Phoenix before 1.4 takes the port from PORT, whatever the configuration says.
    yield from _compare("load_from_system_env", setting("load_from_system_env"), False, None)


def _module(read: Read, environment: Environment) -> Iterator[_Compared]:
    """An endpoint that the team configures by another name than the group data has."""
    settings = sources.configuration(without_blocks(read), environment).settings
    endpoints = {path[1]: setting for path, setting in settings.items() if path[0] == environment.app and len(path) > 2}
    if environment.endpoint not in endpoints:
        for name, setting in endpoints.items():
            if name.rpartition(".")[2] == "Endpoint":
                yield "endpoint", name, environment.endpoint, setting.file, setting.line


def _other_secret_files(found: Configuration, environment: Environment) -> Iterator[_Compared]:
    own = Path(environment.secret_path).name
    for file, place in found.files.items():
        if file.endswith(".secret.exs") and file.rpartition("/")[2] != own:
            yield "import of a secret file", _shown(place.value), f'"{own}" alone', place.file, place.line


def _needed(found: Configuration) -> Iterator[_Compared]:
    for file, missing in found.missing:
        yield (
            missing.name,
            "needed",
            "no such variable: leave it to the secret file, or, if it is no secret, set unit_environment",
            file,
            missing.line,
        )


def _appsignal(found: Configuration, environment: Environment) -> Iterator[_Compared]:
    if not environment.appsignal:
        return
    for key in ("working_directory_path", "working_dir_path"):
        setting = found.settings.get(("appsignal", "config", key))
        if setting and str(setting.value).rstrip("/") not in (environment.root, environment.appsignal_path):
            yield (
                "AppSignal's working directory",
                _shown(setting.value),
                _shown(environment.appsignal_path),
                setting.file,
                setting.line,
            )


def _secret_file(found: Configuration, environment: Environment) -> Iterator[_Compared]:
    name = Path(environment.secret_path).name
    if f"config/{name}" not in found.files:
        yield "import of the secret file", "not set", f'import_config "{name}"', settings_file(environment), 1


def _mix_release(read: Read, environment: Environment) -> Iterator[_Compared]:
    project = sources.project(read, environment)
    release, there = project.release, list(pairs(project.lists["releases"])) if "releases" in project.lists else []
    if there and environment.app not in there:
        yield "release", ", ".join(there), environment.app, "mix.exs", line_of(project.lists["releases"])
    providers = release.get("config_providers", Setting(None, "mix.exs", 1))
    if environment.secret_path not in provided(providers.value):
        expected = f'{{Config.Reader, path: "{environment.secret_path}"}}'
        yield "configuration provider", _shown(providers.value), expected, providers.file, providers.line
    if "include_erts" in release:
        yield from _compare("include_erts", release["include_erts"], environment.include_erts)
    if "cookie" in release:
        yield "cookie", _LITERAL_COOKIE, _COOKIE, release["cookie"].file, release["cookie"].line


def provided(providers: object) -> list[str]:
    """The paths that configuration providers of the kind Config.Reader read.

    + providers: the value of `config_providers:`
    """
    paths = []
    for provider in providers if isinstance(providers, list) else []:
        match provider:
            case (Atom("Config.Reader"), str() as path):
                paths.append(path)
            case (Atom("Config.Reader"), [*options]):
                named = [option for option in options if isinstance(option, tuple) and len(option) == 2]
                paths += [value for key, value in named if key == "path" and isinstance(value, str)]
    return paths


def _env_sh(read: Read, environment: Environment) -> Iterator[_Compared]:
    conditions = Evaluator(environment.mix_env, sources.build_variables(environment))
    variables = sources.start_variables(environment)
    found = sources.shell_variables(read, "rel/env.sh.eex", variables, conditions)
    for name in ("RELEASE_DISTRIBUTION", "RELEASE_NODE"):
        if name in found:
            yield from _compare(name, found[name], variables[name])
    if "RELEASE_COOKIE" in found and found["RELEASE_COOKIE"].value != variables["RELEASE_COOKIE"]:
        yield "cookie", _LITERAL_COOKIE, _COOKIE, found["RELEASE_COOKIE"].file, found["RELEASE_COOKIE"].line


def _vm_args_eex(read: Read) -> Iterator[_Compared]:
    found = sources.flags(read("rel/vm.args.eex"), "rel/vm.args.eex")
    for flag in ("-name", "-sname"):
        if flag in found:
            yield flag, str(found[flag].value), "RELEASE_NODE alone", found[flag].file, found[flag].line
    yield from _cookie_flag(found)


def _cookie_flag(found: dict[str, Setting]) -> Iterator[_Compared]:
    if cookie := found.get("-setcookie"):
        # As Distillery has it, the template is filled in from rel/config.exs.
        there = str(cookie.value) if str(cookie.value).startswith("<%") else _LITERAL_COOKIE
        yield "cookie", there, _COOKIE, cookie.file, cookie.line


def _distillery(read: Read, environment: Environment) -> Iterator[_Compared]:
    node, settings = sources.distillery_environment(read, environment.environment)
    line = node.start_point[0] + 1 if node else 1

    def setting(name: str) -> Setting:
        return settings.get(name, Setting(None, "rel/config.exs", line))

    expected = f"rel/vm.args.{environment.environment}"
    vm_args = setting("vm_args")
    yield from _compare("vm_args", vm_args, expected)
    yield from _compare("include_erts", setting("include_erts"), environment.include_erts)
    yield from _compare("include_src", setting("include_src"), environment.include_src)
    for _, cookie in sources.distillery_cookies(read, environment):
        yield "cookie", _LITERAL_COOKIE, _COOKIE, "rel/config.exs", line_of(cookie)
    file = vm_args.value if isinstance(vm_args.value, str) else expected
    found = sources.flags(read(file), file)
    name = found.get("-name") or found.get("-sname") or Setting(None, file, 1)
    if "-sname" in found or name.value != environment.node:
        yield "node name", str(name.value or "not set"), environment.node, name.file, name.line
    yield from _cookie_flag(found)
    if (smp := found.get("-smp")) and smp.value not in ("auto", "enable"):
        yield "-smp", str(smp.value), "auto", smp.file, smp.line


def _edeliver(read: Read, environment: Environment) -> Iterator[_Compared]:
    text = read(".deliver/config")
    variable = DELIVERED.get(environment.environment)
    if text is None or variable is None:
        return
    found = sources.shell_variables(read, ".deliver/config", {})
    yield from _compare(variable, found.get(variable, Setting(None, ".deliver/config", 1)), environment.root)
    if "BUILD_AT" not in found:
        yield "BUILD_AT", "not set", build_at(environment), ".deliver/config", 1
    if not (hook := hook_in(text)):
        yield "the hook that links the secret file", "not set", f"{HOOK}()", ".deliver/config", 1
    elif "secret.exs" not in hook[0]:
        line = text[: hook.start()].count("\n") + 1
        yield "the hook that links the secret file", f"{HOOK}() without it", "a line that does", ".deliver/config", line


HOOK = "pre_erlang_get_and_update_deps"


def hook_in(text: str) -> re.Match[str] | None:
    """edeliver's hook before dependencies are fetched, the last one, which is the one bash runs.

    + text: of a .deliver/config
    """
    found = list(
        re.finditer(
            rf"^[ \t]*(?:function[ \t]+)?{HOOK}\b[^{{\n]*\{{(?:[^\n]*\}}[ \t]*$|.*?^[ \t]*\}})",
            text,
            re.MULTILINE | re.DOTALL,
        )
    )
    return found[-1] if found else None


def build_at(environment: Environment) -> str:
    """Where edeliver builds: beside the environments, as the same user."""
    return f"{environment.home}/build"
