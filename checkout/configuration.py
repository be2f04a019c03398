"""The configuration of an application in one environment: config/config.exs and everything it imports."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from tree_sitter import Node

from checkout.definitions import definitions
from checkout.evaluator import Evaluator
from checkout.files import Read
from checkout.project import read_project
from checkout.syntax import arguments, called, line_of, pairs, parse, text_of
from checkout.values import Missing, Setting, Unknown
from checkout.variables import build_variables, start_variables
from group_data.schema.environment import Environment

RUNTIME = "config/runtime.exs"

# What mix release reads if there is no config/runtime.exs, as Elixir 1.9 and 1.10 wrote it.
_OLD_RUNTIME = "config/releases.exs"


def runtime_file(read: Read, environment: Environment) -> str:
    """The configuration that a release reads when it starts, relative to the checkout; it may be missing.

    + read: reads a file of the checkout
    + environment: with the name of the release
    """
    if named := read_project(read, environment).runtime_file:
        return named
    return _OLD_RUNTIME if read(RUNTIME) is None and read(_OLD_RUNTIME) is not None else RUNTIME


def settings_file(environment: Environment) -> str:
    """The file with the settings of one environment, relative to the checkout."""
    if environment.deployment_config:
        return f"config/deployment_config/{environment.deployment_config}.exs"
    return f"config/{environment.mix_env}.exs"


class Configuration(NamedTuple):
    """The result of the configuration in one environment.

    + settings: by path, e.g. ("billing", "BillingWeb.Endpoint", "http", "port")
    + files: each file that was read or imported, with the place of the import; a secret file or one that is missing is here
      too, although nothing was read from it
    + missing: environment variables that a file needs and the unit does not set
    + reads: environment variables that are read when the release starts
    + runtime: the file that is evaluated when the release starts
    + unread: places of imports whose files only running the code would tell
    """

    settings: dict[tuple[str, ...], Setting]
    files: dict[str, Setting]
    missing: list[tuple[str, Missing]]
    reads: set[str]
    runtime: str
    unread: list[Setting]


def read_configuration(read: Read, environment: Environment) -> Configuration:
    """Evaluates config/config.exs with all its imports, and for mix release config/runtime.exs after them.

    Files named `*.secret.exs` are not read, even if they are links to nowhere.

    + read: reads a file of the checkout
    + environment: decides MIX_ENV and the environment variables

    Raises ElixirError when a file is not Elixir.
    """
    runtime = runtime_file(read, environment)
    found = Configuration({}, {}, [], set(), runtime, [])
    _Reader(read, environment, build_variables(environment), found).file("config/config.exs", None)
    if environment.secrets_read_at_start and read(runtime) is not None:
        _Reader(read, environment, start_variables(environment), found).file(runtime, None)
    return found


class _Reader:
    """One layer of configuration, with the environment variables of the build or those of the start."""

    def __init__(
        self, read: Read, environment: Environment, variables: Mapping[str, str], found: Configuration
    ) -> None:
        self._read, self._variables, self._found = read, variables, found
        self._mix_env = environment.mix_env
        self._apps = dict.fromkeys([environment.app, environment.web_app, f"{environment.app}_web"])
        # Whether only running the code would tell that a statement is reached.
        self._in_doubt = False

    def file(self, name: str, origin: Setting | None) -> None:
        """Evaluate a file, at most once.

        + name: relative to the checkout
        + origin: the import of it; None for the first file
        """
        seen = name in self._found.files
        self._found.files.setdefault(name, origin or Setting(name, name, 1))
        text = None if seen or name.endswith(".secret.exs") else self._read(name)
        if text is None:
            return
        root = parse(text, name)
        evaluator = Evaluator(self._mix_env, self._variables, definitions=definitions(root))
        self._statements(root.named_children, name, evaluator)
        self._found.missing.extend((name, missing) for missing in dict.fromkeys(evaluator.missing))
        if name == self._found.runtime:
            self._found.reads.update(evaluator.reads)

    def _statements(self, nodes: Sequence[Node], name: str, evaluator: Evaluator) -> None:
        for node in nodes:
            match called(node):
                case "config":
                    self._config(arguments(node), name, evaluator)
                case "import_config":
                    self._import(node, name, evaluator)
                case "if" | "unless" | "case" | "cond" if (taken := evaluator.branch(node)) is not None:
                    self._statements(taken, name, evaluator)
                case "def" | "defp" | "defmodule":
                    pass
                case _:
                    evaluator.value(node)
                    self._doubtful(node, name, evaluator)

    def _import(self, node: Node, name: str, evaluator: Evaluator) -> None:
        imported = evaluator.value(arguments(node)[0])
        if not isinstance(imported, str) or self._in_doubt:
            self._found.unread.append(Setting(imported, name, line_of(node)))
        else:
            for file in self._expanded(imported):
                if self._is_there(_beside(name, file), imported):
                    self.file(_beside(name, file), Setting(file, name, line_of(node)))

    def _expanded(self, pattern: str) -> list[str]:
        """The files of `../apps/*/config/config.exs`, as an umbrella of Phoenix before 1.5 imports them."""
        return [pattern.replace("*", name) for name in self._apps] if "/*/" in pattern else [pattern]

    def _is_there(self, file: str, pattern: str) -> bool:
        # A wildcard imports the files that there are.
        return "/*/" not in pattern or self._read(file) is not None

    def _doubtful(self, node: Node, name: str, evaluator: Evaluator) -> None:
        """The settings below a statement that may not be reached: their values are unknown from here on."""
        before, self._in_doubt = self._in_doubt, True
        for child in node.named_children:
            if called(child) in ("config", "import_config"):
                self._statements([child], name, evaluator)
            else:
                self._doubtful(child, name, evaluator)
        self._in_doubt = before

    def _config(self, nodes: Sequence[Node], name: str, evaluator: Evaluator) -> None:
        *keys, last = nodes
        path = tuple(str(evaluator.value(key)) for key in keys)
        self._set(path, last, name, evaluator)

    def _set(self, path: tuple[str, ...], node: Node, name: str, evaluator: Evaluator) -> None:
        # Config merges keyword lists key by key and replaces any other value as a whole.
        settings = self._found.settings
        keywords = pairs(node)
        mixed = node.type == "list" and any(child.type not in ("keywords", "comment") for child in node.named_children)
        if not keywords or mixed:
            for known in [known for known in settings if known[: len(path)] == path]:
                del settings[known]
            value = Unknown(text_of(node)) if self._in_doubt else evaluator.value(node)
            settings[path] = Setting(value, name, line_of(node), evaluator.replaceable(node))
        # An unknown value may be a keyword list, into which this is merged.
        for known in [path[:length] for length in range(1, len(path))] + ([path] if keywords and not mixed else []):
            if known in settings and not isinstance(settings[known].value, Unknown):
                del settings[known]
        for key, value in keywords.items():
            self._set((*path, key), value, name, evaluator)


def _beside(name: str, imported: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / imported).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)
