"""Templates, and filters that write any value in the syntax of the file."""

import functools
import shlex

import jinja2

from group_data.schema.paths import CHECKOUT

TEMPLATES = CHECKOUT / "templates"


def render(template: str, **values: object) -> str:
    """The text of `templates/<template>`.

    pyinfra's `files.template` takes no filters, and it needs a file where secret content must not touch the disk.

    + template: file name below templates/
    + values: names for the template; an undefined name is an error
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
        # A private directory of this user. To compile all templates takes as long as to render them ten times.
        bytecode_cache=jinja2.FileSystemBytecodeCache(),
    )
    environment.filters["elixir"] = elixir_string
    environment.filters["quote"] = shlex.quote
    environment.filters["variable"] = environment_file_value
    return environment


def elixir_string(value: str) -> str:
    """An Elixir string literal that evaluates to `value`, byte for byte.

    Elixir interprets these inside double quotes, so they are escaped: the backslash, the quote, interpolation, and
    control characters (https://hexdocs.pm/elixir/syntax-reference.html#strings).
    """
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("#{", "\\#{")
    # Elixir's tokenizer refuses Unicode's invisible and bidirectional characters, so they are escaped as well.
    return '"' + "".join(c if c.isprintable() else f"\\u{{{ord(c):X}}}" for c in escaped) + '"'


def environment_file_value(value: str) -> str:
    """A value in double quotes that systemd's EnvironmentFile= and a POSIX shell both read back unchanged.

    Both remove a backslash before these four characters and keep everything else (systemd.exec(5), POSIX 2.2.3).
    """
    for character in '\\"$`':
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'
