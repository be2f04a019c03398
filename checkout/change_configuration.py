"""Changes to the configuration of an application."""

import re
from collections.abc import Sequence

from checkout.blocks import Texts
from checkout.compare_configuration import has_appsignal
from checkout.compare_endpoint import settings_of_prod
from checkout.configuration import Configuration, read_configuration, runtime_file, settings_file
from checkout.endpoint import wrong_settings
from checkout.values import Setting, shown
from group_data.schema.environment import Environment
from operations.host.rendering import elixir_string, render

CONFIG = "config/config.exs"

# `mix format` wants an empty line between an expression of several lines and the comment that ends a block.
_SPACE = ""


def change(texts: Texts, environment: Environment) -> None:
    """The configuration agrees with the environment.

    + texts: files of the checkout
    + environment: of this application
    """
    _settings(texts, environment)
    _appsignal(texts, environment)
    _imports(texts, environment)
    if environment.secrets_read_at_start:
        _runtime(texts, environment)


def _under(condition: str, lines: Sequence[str]) -> list[str]:
    return [f"if {condition} do", *(f"  {line}" if line else "" for line in lines), "end", _SPACE]


def chosen(environment: Environment, mix_env: str = "Mix.env()") -> str:
    """The Elixir condition that is true in a build or a start of this environment.

    + mix_env: the expression for MIX_ENV; config/runtime.exs needs another one than the default
    """
    condition = f"{mix_env} == :{environment.mix_env}"
    if environment.deployment_config:
        condition += f' and System.get_env("DEPLOYMENT_CONFIG") == {elixir_string(environment.deployment_config)}'
    return condition


def _header(texts: Texts) -> str:
    """The first line of a new configuration file, the same as in config/config.exs."""
    old = re.search(r"^use Mix\.Config$", texts.read(CONFIG) or "", re.MULTILINE)
    return "use Mix.Config\n" if old else "import Config\n"


def _theirs(texts: Texts, environment: Environment) -> Configuration:
    return read_configuration(lambda file: texts.without(file, environment.environment), environment)


def _endpoint(texts: Texts, environment: Environment, static_manifest: Setting | None = None) -> list[str]:
    theirs = _theirs(texts, environment)
    origins = [wrong for wrong in wrong_settings(theirs, environment, variables=False) if wrong.name == "check_origin"]
    loads = theirs.settings.get((environment.web_app, environment.endpoint, "load_from_system_env"))
    return render(
        "application/endpoint.exs.j2",
        environment=environment,
        check_origin=shown(origins[0].expected) if origins else None,
        static_manifest=elixir_string(str(static_manifest.value)) if static_manifest else None,
        load_from_system_env=loads is not None,
    ).splitlines()


def _settings(texts: Texts, environment: Environment) -> None:
    file, name = settings_file(environment), environment.environment
    theirs = _theirs(texts, environment).settings
    prod = settings_of_prod(texts.read, environment)
    forgotten = {path[-1]: setting for path, setting in prod.items() if path not in theirs}
    lines = _endpoint(texts, environment, forgotten.get("cache_static_manifest"))
    if level := forgotten.get("level"):
        # Phoenix's own default logs every SQL statement with its values.
        lines += ["", f"config :logger, level: {shown(level.value)}"]
    if not environment.secrets_read_at_start:
        above = "../" if environment.deployment_config else ""
        imported = elixir_string(above + environment.secret_path.rpartition("/")[2])
        if not re.search(
            rf"^\s*import_config[ (]+{re.escape(imported)}", texts.without(file, name) or "", re.MULTILINE
        ):
            lines += ["", f"import_config {imported}"]
    texts.block(file, name, [*lines, _SPACE], _header(texts))


def _appsignal(texts: Texts, environment: Environment) -> None:
    if not has_appsignal(texts.read, environment):
        return
    file, name = "config/appsignal.exs", environment.environment
    theirs = read_configuration(lambda other: texts.without(other, name), environment).settings
    # AppSignal before 2.2 had another name for it.
    old = ("appsignal", "config", "working_dir_path") in theirs
    setting = f"{'working_dir_path' if old else 'working_directory_path'}: {elixir_string(environment.appsignal_path)}"
    lines = _under(chosen(environment), [f"config :appsignal, :config, {setting}"])
    texts.block(file, name, lines, _header(texts))


def _imports(texts: Texts, environment: Environment) -> None:
    """config/config.exs imports the files with our blocks, directly or through another file."""
    base, settings = f"config/{environment.mix_env}.exs", settings_file(environment)
    below = [base, *(["config/appsignal.exs"] if has_appsignal(texts.read, environment) else [])]
    _imported(texts, environment, CONFIG, below)
    if settings != base:
        _imported(texts, environment, base, [settings])


def _imported(texts: Texts, environment: Environment, base: str, wanted: Sequence[str]) -> None:
    name = environment.environment
    found = read_configuration(
        lambda file: texts.without(file, name) if file == base else texts.read(file), environment
    )
    lines = [
        f"import_config {elixir_string(file.removeprefix('config/'))}" for file in wanted if file not in found.files
    ]
    texts.block(base, name, _under(chosen(environment), lines) if lines else [], _header(texts))


def _runtime(texts: Texts, environment: Environment) -> None:
    lines = _under(chosen(environment, "config_env()"), _endpoint(texts, environment))
    texts.block(runtime_file(texts.read, environment), environment.environment, lines, "import Config\n")
