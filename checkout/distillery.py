"""Distillery's rel/config.exs."""

from tree_sitter import Node

from checkout.evaluator import Evaluator
from checkout.files import Read
from checkout.syntax import arguments, block, called, key_of, line_of, pairs, parse
from checkout.values import Atom, Setting
from group_data.schema.environment import Environment


def read_environment(read: Read, name: str) -> tuple[Node | None, dict[str, Setting]]:
    """Reads the block of an environment in rel/config.exs, and its settings; no block, no settings.

    + read: reads a file of the checkout
    + name: of the environment
    """
    root = parse(read("rel/config.exs") or "", "rel/config.exs")
    evaluator = Evaluator(name, {})
    found: Node | None = None
    settings: dict[str, Setting] = {}
    for node in root.named_children:
        # For Distillery, a second block for an environment replaces the first.
        if called(node) == "environment" and evaluator.value(arguments(node)[0]) == name:
            found, settings = node, {}
            for statement in block(node) or []:
                if called(statement) == "set":
                    for key, value in pairs(arguments(statement)[0]).items():
                        settings[key] = Setting(evaluator.value(value), "rel/config.exs", line_of(statement))
    return found, settings


def read_releases(read: Read) -> dict[str, int]:
    """Reads the names of the releases in rel/config.exs, each with its line.

    + read: reads a file of the checkout
    """
    root = parse(read("rel/config.exs") or "", "rel/config.exs")
    evaluator = Evaluator("prod", {})
    found = [node for node in root.named_children if called(node) == "release" and arguments(node)]
    return {str(evaluator.value(arguments(node)[0])): line_of(node) for node in found}


def read_cookies(read: Read, environment: Environment) -> list[tuple[Node, Node]]:
    """Reads the cookies of an environment in rel/config.exs: the `set` statement and the entry of each.

    + read: reads a file of the checkout
    + environment: the cookies of its block and of its application's release count
    """
    root = parse(read("rel/config.exs") or "", "rel/config.exs")
    evaluator = Evaluator(environment.environment, {})
    wanted = {"environment": environment.environment, "release": environment.release}
    return [
        (statement, pair)
        for node in root.named_children
        if (kind := called(node)) in wanted and evaluator.value(arguments(node)[0]) == Atom(wanted[kind])
        for statement in block(node) or []
        if called(statement) == "set" and arguments(statement)
        for pair in arguments(statement)[0].named_children
        if key_of(pair) == "cookie"
    ]
