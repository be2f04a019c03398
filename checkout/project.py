"""mix.exs: the application's name, and its release."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tree_sitter import Node

from checkout.evaluator import Evaluator
from checkout.files import Read
from checkout.syntax import arguments, block, called, line_of, pairs, parse, text_of
from checkout.values import Atom, Setting
from checkout.variables import build_variables
from group_data.schema.environment import Environment


class Project(NamedTuple):
    """The content of mix.exs for one environment.

    + app: the application's name; None in an umbrella
    + release: options of the application's release, with the place of each; empty if it has none
    + lists: the literal lists on the way to the options: "project", "releases", "release", "config_providers"
    + top_module: `Billing` of the application module `Billing.Application`; None without one
    + elixir: the requirement on Elixir's version; None without one, and where only running the file would tell
    """

    app: str | None
    release: dict[str, Setting]
    lists: dict[str, Node]
    top_module: Setting | None = None
    elixir: Setting | None = None

    @property
    def is_umbrella(self) -> bool:
        """Whether the applications are below `apps/`, so that a release must name them."""
        return "project" in self.lists and "apps_path" in pairs(self.lists["project"])

    @property
    def runtime_file(self) -> str | None:
        """The file that `runtime_config_path:` of the release names; None without one."""
        path = self.release.get("runtime_config_path")
        return path.value if path and isinstance(path.value, str) else None


# The lists on the way to the configuration providers, each with the key of the next one.
_WAY = {"project": "releases", "releases": "{release}", "release": "config_providers", "config_providers": ""}.items()


def read_project(read: Read, environment: Environment) -> Project:
    """Reads the application's name and its entry among `releases:` in mix.exs.

    + read: reads a file of the checkout
    + environment: decides MIX_ENV and the name of the release

    Raises ElixirError when mix.exs is not Elixir.
    """
    root = parse(read("mix.exs") or "", "mix.exs")
    functions = dict(_functions(root))
    evaluator = Evaluator(environment.mix_env, build_variables(environment), functions)
    lists: dict[str, Node] = {}
    node: Node | None = functions["project"][-1] if "project" in functions else None
    for name, key in _WAY:
        if (node := _literal(node, functions)) is None:
            break
        lists[name] = node
        entries = pairs(node)
        node = entries.get(key.format(release=environment.release))
        # Without release_name the only release counts, whatever its name is.
        if name == "releases" and len(entries) == 1 and not environment.release_name:
            node = next(iter(entries.values()))
    if "release" in lists:
        release = {name: _place(evaluator.value(value), value) for name, value in pairs(lists["release"]).items()}
    else:
        release = dict(_anywhere(root, evaluator))
    project = pairs(lists["project"]) if "project" in lists else {}
    app, elixir = project.get("app"), project.get("elixir")
    asked = _place(evaluator.value(elixir), elixir) if elixir else None
    return Project(
        str(evaluator.value(app)) if app else None,
        release,
        lists,
        _top_module(functions),
        asked if asked and isinstance(asked.value, str) and not isinstance(asked.value, Atom) else None,
    )


def _top_module(functions: Mapping[str, Sequence[Node]]) -> Setting | None:
    node = _literal(functions["application"][-1], functions) if "application" in functions else None
    module = pairs(node).get("mod") if node else None
    if module is None or not module.named_children or module.named_children[0].type != "alias":
        return None
    return _place(Atom(text_of(module.named_children[0]).partition(".")[0]), module)


def _place(value: object, node: Node) -> Setting:
    return Setting(value, "mix.exs", line_of(node))


def _anywhere(root: Node, evaluator: Evaluator) -> Iterator[tuple[str, Setting]]:
    """All configuration providers in mix.exs, for a file whose releases are only known by running it."""
    found = [node for node in _descendants(root, "tuple") if text_of(node).startswith("{Config.Reader,")]
    if found:
        yield "config_providers", _place([evaluator.value(node) for node in found], found[0])


def _descendants(node: Node, kind: str) -> Iterator[Node]:
    for child in node.named_children:
        if child.type == kind:
            yield child
        yield from _descendants(child, kind)


def _functions(node: Node) -> Iterator[tuple[str, list[Node]]]:
    """The bodies of functions without parameters, and the values of attributes, by name."""
    for child in node.named_children:
        operand = child.child_by_field_name("operand") if text_of(child).startswith("@") else None
        if operand and arguments(operand):
            yield f"@{called(operand)}", arguments(operand)
        elif called(child) in ("def", "defp"):
            head = arguments(child)[0]
            name = called(head) or text_of(head)
            if not arguments(head) and (body := block(child)):
                yield name, body
        else:
            yield from _functions(child)


def _literal(node: Node | None, functions: Mapping[str, Sequence[Node]]) -> Node | None:
    """The list in a node; a function or an attribute of the file counts as the list at its end. None without a list."""
    if node is None or node.type == "list":
        return node
    name = called(node) or text_of(node)
    return _literal(functions[name][-1], functions) if name in functions else None


def provider_paths(providers: object) -> list[str]:
    """The paths of the configuration providers of the kind Config.Reader.

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
