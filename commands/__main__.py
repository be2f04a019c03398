"""All commands under one name: `python -m commands NAME`, installed as `deploy NAME`.

The list of commands imports no module: it reads the docstrings from the files. A call imports the command's module.
"""

import ast
import importlib
from pathlib import Path

import click
from typing_extensions import override

from commands.options import end_with

# Each command is a module of this folder, with _ instead of -.
NAMES = (
    "check plan apply destroy drift status doctor"
    " build toolchain update release promote rollback migrate migrate-down restore restart releases ping console"
    " rpc task exec psql open logs unlock"
    " app-check app-plan app-apply vault-init vault-edit vault-set vault-show vault-rotate vault-import"
    " vault-recipients docs"
).split()


class Commands(click.Group):
    """The group of all commands."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return NAMES

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NAMES:
            return None
        command: click.Command = importlib.import_module(f"commands.{cmd_name.replace('-', '_')}").command
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in NAMES])

    @override
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            end_with(error, 1)
            raise

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            end_with(error, 1)
            raise


def summary(name: str) -> str:
    """One line on a command: the first sentence of its file.

    + name: of the command
    """
    source = Path(__file__).with_name(f"{name.replace('-', '_')}.py").read_text()
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0].removesuffix(".")


@click.command(cls=Commands, context_settings={"max_content_width": 120, "help_option_names": ["-h", "--help"]})
def main() -> None:
    """Deploy a Phoenix application: prepare its environments, build, release, and check the running system.

    Begin with `deploy plan`, which changes nothing, and go on with `deploy apply`. `deploy NAME --help` explains a command.

    Bash completes names with: eval "$(_DEPLOY_COMPLETE=bash_source deploy)"
    """


if __name__ == "__main__":
    main(prog_name="python -m commands")
