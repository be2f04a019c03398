"""The syntax of nginx's configuration files, as `nginx -T` prints them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# The line before each file.
_FILE = re.compile(r"# configuration file (/[^\n]*):$")

# A comment, a text in quotes, a mark, or a bare word. Of a variable's ${name} the brackets are no marks.
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<end>\n) | (?P<mark>[{};])
      | "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^'\\]|\\.)*)'
      | (?P<bare>(?:\\.|\$\{|[^\s;{}])+\}?) | (?P<space>[^\S\n]+)""",
    re.VERBOSE | re.DOTALL,
)

# Deeper than anybody nests blocks, and files that include each other end there.
_DEPTH = 20


class Directive(NamedTuple):
    """One directive.

    + file: that has it
    + line: in the file, from 1
    + words: its name and its arguments, without quotes
    + block: the directives in its brackets; empty without them
    """

    file: str
    line: int
    words: list[str]
    block: "list[Directive]"

    @property
    def name(self) -> str:
        """The first word."""
        return self.words[0]

    @property
    def place(self) -> str:
        """File and line, for people."""
        return f"{self.file}:{self.line}"


def files(lines: Sequence[str]) -> dict[str, list[Directive]]:
    """The directives of each file, by path, in the order of the output.

    Nothing is refused: a file that ends early has what was read of it.

    + lines: output of `nginx -T`
    """
    texts: dict[str, list[str]] = {}
    text: list[str] = []
    for line in lines:
        if named := _FILE.fullmatch(line):
            text = texts.setdefault(named[1], [])
        else:
            text.append(line)
    return {path: _directives(_tokens("\n".join(text)), path, _DEPTH) for path, text in texts.items()}


def _tokens(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line, text, and whether it is a mark, of each word."""
    line = 1
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if kind in ("bare", "double", "single"):
            yield line, re.sub(r"\\(.)", r"\1", found[kind]) if kind != "bare" else found[0], False
        elif kind == "mark":
            yield line, found[0], True
        line += found[0].count("\n")


def _directives(tokens: Iterator[tuple[int, str, bool]], file: str, depth: int) -> list[Directive]:
    found: list[Directive] = []
    words: list[str] = []
    first = 0
    for line, text, is_mark in tokens:
        if not is_mark:
            first = first if words else line
            words.append(text)
        elif text == "}" or depth == 0:
            return found
        else:
            block = _directives(tokens, file, depth - 1) if text == "{" else []
            if words:
                found.append(Directive(file, first, words, block))
            words = []
    return found
