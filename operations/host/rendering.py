"""Templates, and the filters that carry any value into the syntax of the file it stands in."""

import functools
import shlex

import jinja2

from group_data.schema.paths import CHECKOUT

TEMPLATES = CHECKOUT / "templates"


def render(template: str, **values: object) -> str:
    """The text of `templates/<template>`.

    pyinfra's `files.template` cannot be given filters, and content that must not touch the disk has no file to name.

    + template: file name below templates/
    + values: what the template may use; an undefined name is an error
    """
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  none of the files is HTML made of data
        # In a directory that is this user's alone: to compile all templates takes as long as to render them ten times.
        bytecode_cache=jinja2.FileSystemBytecodeCache(),
    )
    environment.filters["elixir"] = elixir_string
    environment.filters["quote"] = shlex.quote
    environment.filters["variable"] = environment_file_value
    return environment


def elixir_string(value: str) -> str:
    """An Elixir string literal that evaluates to `value`, byte for byte.

    Escapes what Elixir interprets inside double quotes: the backslash, the quote, interpolation, and control
    characters (https://hexdocs.pm/elixir/syntax-reference.html#strings).
    """
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("#{", "\\#{")
    # Unicode's invisible and bidirectional characters are refused by Elixir's tokenizer, so they are escaped as well.
    return '"' + "".join(c if c.isprintable() else f"\\u{{{ord(c):X}}}" for c in escaped) + '"'


def environment_file_value(value: str) -> str:
    """A value in double quotes that systemd's EnvironmentFile= and a POSIX shell both read back unchanged.

    Both take a backslash before these four characters and keep everything else (systemd.exec(5), POSIX 2.2.3).
    """
    for character in '\\"$`':
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'
