"""Differences in the names of modules and applications. For each there is a setting that makes it go away."""

from collections.abc import Iterator, Mapping

from checkout.difference import Compared
from checkout.files import Read
from checkout.project import read_project
from checkout.values import Atom, Setting
from group_data.schema.environment import Environment

Settings = Mapping[tuple[str, ...], Setting]


def compare(read: Read, settings: Settings, environment: Environment) -> Iterator[Compared]:
    """The names that differ, with the setting for each.

    + read: reads a file of the checkout
    + settings: the configuration without our own blocks
    + environment: to compare with
    """
    assumed, top = environment, top_module(read, environment)
    if top and not _is_used(environment.app_module_name, settings, environment):
        yield Compared(
            "top module",
            str(top.value),
            environment.app_module_name,
            top.file,
            top.line,
            _in_all(f'app_module = "{top.value}"'),
        )
        assumed = environment.model_copy(update={"app_module": str(top.value)})
    yield from _endpoint(settings, assumed)
    yield from _repo(settings, assumed)


def endpoints(settings: Settings) -> dict[tuple[str, str], Setting]:
    """The endpoints in a configuration, by application and module, each with the place of its last setting.

    + settings: a configuration
    """
    return {
        (path[0], path[1]): setting
        for path, setting in settings.items()
        if len(path) > 1 and path[1][:1].isupper() and path[1].rpartition(".")[2] == "Endpoint"
    }


def top_module(read: Read, environment: Environment) -> Setting | None:
    """The top module that mix.exs names, if it differs from the environment's.

    + read: reads a file of the checkout
    + environment: with the application
    """
    folder = f"apps/{environment.app}/" if read_project(read, environment).is_umbrella else ""
    top = read_project(lambda file: read(folder + file), environment).top_module
    if top is None or top.value == environment.app_module_name:
        return None
    return top._replace(file=folder + top.file)


def _is_used(module: str, settings: Settings, environment: Environment) -> bool:
    used = {name for _, name in endpoints(settings)} | set(_repos(settings, environment))
    return any(name.startswith((f"{module}.", f"{module}Web.")) for name in used)


def _endpoint(settings: Settings, environment: Environment) -> Iterator[Compared]:
    there = endpoints(settings)
    if (environment.web_app, environment.endpoint) in there:
        return
    own = {key: setting for key, setting in there.items() if key[0] == environment.web_app} or there
    for (app, module), setting in own.items():
        if app != environment.web_app:
            hint = _in_all(f'endpoint_app = "{app}"')
            yield Compared("the endpoint's application", app, environment.web_app, setting.file, setting.line, hint)
        if module != environment.endpoint:
            hint = _in_all(f'endpoint_module = "{module}"')
            yield Compared("endpoint", module, environment.endpoint, setting.file, setting.line, hint)


def _repos(settings: Settings, environment: Environment) -> list[Atom]:
    setting = settings.get((environment.app, "ecto_repos"))
    return (
        [repo for repo in setting.value if isinstance(repo, Atom)]
        if setting and isinstance(setting.value, list)
        else []
    )


def _repo(settings: Settings, environment: Environment) -> Iterator[Compared]:
    repos = _repos(settings, environment)
    if repos and environment.repo not in repos:
        setting = settings[environment.app, "ecto_repos"]
        hint = _in_all(f'repo_module = "{repos[0]}"')
        yield Compared("repo", ", ".join(repos), environment.repo, setting.file, setting.line, hint)


def _in_all(line: str) -> str:
    return f"set {line} in group_data/all.py"


def likely_endpoint(settings: Settings, environment: Environment) -> tuple[str, str] | None:
    """Application and module of the environment's endpoint, or of one that probably is meant; None if there is none.

    + settings: a configuration
    + environment: to compare with
    """
    there = sorted(
        endpoints(settings),
        key=lambda key: (key != (environment.web_app, environment.endpoint), key[0] != environment.web_app),
    )
    return there[0] if there else None
