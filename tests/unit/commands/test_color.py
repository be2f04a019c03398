"""Bold and coloured text of a command, on a terminal and with NO_COLOR."""

import click
import pytest
from click.testing import CliRunner

from commands.options import command


@pytest.mark.parametrize(("variables", "styled"), [({"NO_COLOR": None}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_takes_the_styles_away(variables: dict[str, str | None], styled: bool) -> None:
    @command("Print a bold word.")
    def bold() -> None:
        click.secho("word", bold=True)

    output = CliRunner().invoke(bold, color=True, env=variables).output
    assert ("\x1b" in output, "word" in output) == (styled, True)
