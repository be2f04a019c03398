"""The value of an Elixir expression in one environment, as far as it is known without running the application."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tree_sitter import Node

from checkout import branches
from checkout.definitions import Clause, bound
from checkout.functions import call, operation, to_text
from checkout.syntax import arguments, called, code_of, line_of, pairs, text_of
from checkout.values import Atom, Missing, Unknown
from checkout.variable_reads import converted, default_of, is_plain_read, names_in

_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "s": " ",
    "0": "\0",
    "e": "\033",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}


# A function that calls itself ends here.
_DEPTH = 5


@dataclass
class Evaluator:
    """Evaluates the expressions of one file in one environment.

    + mix_env: the value of `config_env()` and `Mix.env()`
    + variables: the environment variables
    + functions: bodies of the file's own functions without parameters and of its attributes, such as `@version`, by name
    + names: the variables of the file that were assigned so far
    + missing: the environment variables that were needed so far and are not set
    + reads: the names of the environment variables that were read so far
    + origins: for a variable of the file, the environment variables that its value was looked for in and that are not set
    + computed: for a variable of the file, whether its value is more than the value of an environment variable
    + definitions: clauses of the file's own functions with parameters, by name
    + depth: calls of these functions that are under way
    """

    mix_env: str
    variables: Mapping[str, str]
    functions: Mapping[str, Sequence[Node]] = field(default_factory=dict)
    names: dict[str, object] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    origins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    computed: dict[str, bool] = field(default_factory=dict)
    definitions: Mapping[str, Sequence[Clause]] = field(default_factory=dict)
    depth: int = 0

    def value(self, node: Node) -> object:
        """The value of a node; `Unknown` if only running it would tell. A keyword list becomes a list of pairs."""
        match node.type:
            case "integer":
                return int(text_of(node).replace("_", ""), 0)
            case "boolean":
                return text_of(node) == "true"
            case "nil":
                return None
            case "atom":
                return Atom(text_of(node)[1:])
            case "alias":
                return Atom(text_of(node))
            case "quoted_atom":
                text = self._string(node)
                return Atom(text) if isinstance(text, str) else text
            case "string" | "charlist":
                return self._string(node)
            case "list" | "keywords":
                return self._items(node)
            case "tuple":
                return tuple(
                    self._items(child) if child.type == "keywords" else self.value(child) for child in code_of(node)
                )
            case "block":
                return self._last(node.named_children, node)
            case "identifier":
                return self.names.get(text_of(node), Unknown(text_of(node)))
            case "unary_operator":
                return self._unary(node)
            case "binary_operator":
                return self._binary(node)
            case "call":
                return self._call(node)
            case _:
                return Unknown(text_of(node))

    def _string(self, node: Node) -> object:
        text = ""
        for part in node.named_children:
            if part.type == "interpolation":
                inner = self._last(part.named_children, part)
                if isinstance(inner, Unknown):
                    return Unknown(text_of(node))
                text += to_text(inner)
            elif part.type == "escape_sequence":
                text += _ESCAPES.get(text_of(part)[1:], text_of(part)[1:])
            else:
                text += text_of(part)
        return text

    def _items(self, node: Node) -> list[object]:
        if node.type == "keywords":
            return [(Atom(key), self.value(value)) for key, value in pairs(node).items()]
        items: list[object] = []
        for child in code_of(node):
            items += self._items(child) if child.type == "keywords" else [self.value(child)]
        return items

    def _unary(self, node: Node) -> object:
        if text_of(node) in self.functions:
            return self._last(self.functions[text_of(node)], node)
        operand = node.child_by_field_name("operand")
        value = self.value(operand) if operand else Unknown("")
        match _operator(node), value:
            case (_, Unknown()):
                return Unknown(text_of(node))
            case ("-", int()):
                return -value
            case ("not" | "!", _):
                return value in (None, False)
            case _:
                return Unknown(text_of(node))

    def _binary(self, node: Node) -> object:
        operator, left, right = _operator(node), node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return Unknown(text_of(node))
        if operator == "=":
            value = self.value(right)
            if left.type == "identifier":
                self.names[text_of(left)] = value
                self.origins[text_of(left)] = self.unset(right)
                self.computed[text_of(left)] = self._is_computed(right)
            return value
        if operator == "|>" and called(right) == "case":
            return self._branch_value(right, self.value(left), left)
        if operator == "|>":
            return self._apply(right, [self.value(left), *map(self.value, arguments(right))])
        first = self.value(left)
        if isinstance(first, Unknown):
            return Unknown(text_of(node))
        if operator in ("||", "or", "&&", "and"):
            if (first in (None, False)) == (operator in ("&&", "and")):
                return first
            if called(right) == "raise":
                self._note_missing(left)
            return self.value(right)
        second = self.value(right)
        if isinstance(second, Unknown):
            return Unknown(text_of(node))
        return operation(operator, first, second, text_of(node))

    def _call(self, node: Node) -> object:
        if called(node) in branches.CONDITIONS:
            subject = branches.subject_of(node)
            return self._branch_value(node, self.value(subject) if subject else None, subject)
        return self._apply(node, list(map(self.value, arguments(node))))

    def branch(self, node: Node) -> list[Node] | None:
        """The branch that an `if`, `unless`, `case` or `cond` takes; None if that is unknown."""
        subject = branches.subject_of(node)
        return self._branch(node, self.value(subject) if subject else None, subject)

    def _branch(self, node: Node, value: object, subject: Node | None) -> list[Node] | None:
        taken = branches.branch(node, value, self.value, self.names)
        if subject and any(called(expression) == "raise" for expression in taken or []):
            self._note_missing(subject)
        return taken

    def _branch_value(self, node: Node, value: object, subject: Node | None) -> object:
        taken = self._branch(node, value, subject)
        return Unknown(text_of(node)) if taken is None else self._last(taken, node)

    def unset(self, node: Node) -> tuple[str, ...]:
        """The environment variables that an expression looks for and that are not set, also through the file's variables."""
        variables, words = names_in(text_of(node))
        found = [name for name in variables if name not in self.variables]
        return tuple(dict.fromkeys([*found, *(name for word in words for name in self.origins.get(word, ()))]))

    def replaceable(self, node: Node) -> tuple[str, ...]:
        """The environment variables that are not set and one of which would be the value of an expression if it were."""
        return () if self._is_computed(node) else self.unset(node)

    def _is_computed(self, node: Node) -> bool:
        if node.type == "identifier":
            return self.computed.get(text_of(node), True)
        return not is_plain_read(text_of(node))

    def _apply(self, node: Node, values: Sequence[object]) -> object:
        name = called(node) or text_of(node)
        if any(isinstance(value, Unknown) for value in values):
            return Unknown(text_of(node))
        match name, values:
            case ("config_env" | "Mix.env", []):
                return Atom(self.mix_env)
            case ("System.get_env", [str() as variable, *default]):
                self.reads.add(variable)
                return self.variables.get(variable, default[0] if default else None)
            # Dotenvy's own is env!(name, type, default).
            case ("System.fetch_env!" | "System.get_env!" | "env!" | "Dotenvy.env!", [str() as variable, *more]):
                self.reads.add(variable)
                if variable in self.variables:
                    return converted(self.variables[variable], more)
                return self._unless_set(variable, more, node)
            case (_, []) if name in self.functions:
                return self._last(self.functions[name], node)
            case _:
                known = call(name, values, text_of(node))
                return self._defined(name, values, node) if isinstance(known, Unknown) else known

    def _defined(self, name: str, values: Sequence[object], node: Node) -> object:
        """The value of a call of a function that the file defines."""
        clauses = self.definitions.get(name.rpartition(".")[2], [])
        for clause in clauses if self.depth < _DEPTH else []:
            names = bound(clause, values, self.value)
            if names is None:
                continue
            if isinstance(names, Unknown):
                break
            inner = replace(self, names=names, origins={}, computed={}, missing=[], depth=self.depth + 1)
            holds = inner.value(clause.guard) if clause.guard else True
            if isinstance(holds, Unknown):
                break
            if not holds:
                continue
            value = inner._last(clause.body, node)
            self.missing += [Missing(missing.name, line_of(node)) for missing in inner.missing]
            return value
        return Unknown(text_of(node))

    def _unless_set(self, variable: str, more: Sequence[object], node: Node) -> object:
        if (default := default_of(more)) is None:
            self.missing.append(Missing(variable, line_of(node)))
            return Unknown(text_of(node))
        return default[0]

    def _last(self, expressions: Sequence[Node], node: Node) -> object:
        values = [self.value(expression) for expression in expressions if expression.type != "comment"]
        return values[-1] if values else Unknown(text_of(node))

    def _note_missing(self, node: Node) -> None:
        """Notes the variables of `System.get_env("NAME") || raise "…"`, which Phoenix's generator writes, and the like."""
        if found := self.unset(node):
            self.missing.append(Missing(" or ".join(found), line_of(node)))


def _operator(node: Node) -> str:
    found = node.child_by_field_name("operator")
    return text_of(found) if found else ""
