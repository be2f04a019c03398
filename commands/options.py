"""Arguments, options and errors of several commands."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click
from click.shell_completion import CompletionItem
from typing_extensions import override

from group_data.schema.paths import CHECKOUT, enter_checkout
from preflight import interruption

# Where a command keeps whether it has --verbose.
VERBOSE = "commands.verbose"

# edeliver's names for environments.
EDELIVER = {"staging": "stage", "production": "prod"}

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(click.Command):
    """A command that returns its exit code. If it cannot work, it ends with 1 and one message on standard error.

    + misuse: exit code for wrong arguments
    + prefix: first words of the message
    + ends_at_once: whether Ctrl-C ends the process by its signal; False for a command that prints a message then
    """

    misuse: ClassVar[int] = 1
    prefix: ClassVar[str] = ""
    ends_at_once: ClassVar[bool] = True

    @override
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            end_with(error, self.misuse)
            raise

    @override
    def invoke(self, ctx: click.Context) -> None:
        if self.ends_at_once:
            interruption.end_process()
        else:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _enter_checkout(ctx)
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            code = super().invoke(ctx)
        except click.UsageError as error:
            end_with(error, self.misuse)
            raise
        except (click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            # The imports stand here, because they take longer than `--help` may take.
            from pyinfra.api.exceptions import PyinfraError

            from preflight.own_computer import sentence

            said = str(error) if isinstance(error, PyinfraError) else sentence(error)
            if said is None:
                raise
            click.echo(f"{self.prefix}{said}", err=True)
            code = 1
        except KeyboardInterrupt:
            code = 130
        ctx.exit(code or 0)


class DeployCommand(Command):
    """A command that runs pyinfra and prints a message after an interruption. It takes --verbose."""

    ends_at_once = False

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        if not any(parameter.name == "verbose" for parameter in self.params):
            about = "Show every step, changed or not, as pyinfra does."
            option = click.Option(["-v", "--verbose"], is_flag=True, expose_value=False, callback=_keep, help=about)
            self.params.append(option)

    @override
    def invoke(self, ctx: click.Context) -> None:
        _keep(ctx, None, bool(ctx.params.get("verbose") or ctx.meta.get(VERBOSE)))
        super().invoke(ctx)


def _keep(ctx: click.Context, _: click.Parameter | None, value: bool) -> None:
    ctx.meta[VERBOSE] = value


class VaultCommand(Command):
    """A command on a vault. After an interruption it must remove the secrets that the editor showed."""

    misuse = 2
    prefix = "vault: "
    ends_at_once = False


class EnvironmentName(click.ParamType):  # type: ignore[type-arg]
    """The name of an environment, or edeliver's name for it. The shell completes it from the files in group_data."""

    name = "ENV"

    @override
    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return translated(value)

    @override
    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        names = sorted(file.stem for file in (CHECKOUT / "group_data").glob("*.py") if file.stem != "all")
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _enter_checkout(ctx: click.Context) -> None:
    """Work in the checkout: paths in inventory and group data begin there. Paths on the command line keep their place."""
    if Path.cwd() != CHECKOUT:
        absolute = {name: value.absolute() for name, value in ctx.params.items() if isinstance(value, Path)}
        ctx.params.update(absolute)
        enter_checkout()


def end_with(error: click.UsageError, code: int) -> None:
    """Give a misuse another exit code than click's 2, because 2 is a result of several commands.

    + error: error that will be raised
    + code: exit code of the process
    """
    vars(error)["exit_code"] = code


def translated(name: str) -> str:
    """Translate edeliver's `staging` and `production` to stage and prod, unless the data has environments of these names.

    + name: the name as typed
    """
    return name if (CHECKOUT / f"group_data/{name}.py").exists() else EDELIVER.get(name, name)


def command(documentation: str | None, cls: type[Command] = Command) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function that returns its exit code.

    + documentation: docstring of the module; it becomes the help
    + cls: kind of command
    """
    text = "\n\n".join((documentation or "").strip().split("\n\n"))
    settings = {"max_content_width": 120, "help_option_names": ["-h", "--help"]}
    return click.command(cls=cls, help=text, context_settings=settings)


def environments(function: Function) -> Function:
    """Add `[ENV ...]`; without a name the command works on every environment."""
    return click.argument("environments", nargs=-1, type=EnvironmentName(), metavar="[ENV]...")(function)


def environment(function: Function) -> Function:
    """Add `ENV`; the command works on one environment, and a message asks for a missing name."""
    return click.argument("environment", type=EnvironmentName(), metavar="ENV", callback=_named, required=False)(
        function
    )


def _named(ctx: click.Context, _: click.Parameter, value: str | None) -> str:
    if not value:
        raise click.UsageError(f"Say which environment: make {target(ctx)} ENV=stage")
    return value


def key(function: Function) -> Function:
    """Add `--key`; a message asks for a missing one."""
    return click.option("--key", metavar="NAME", callback=_key, help="Key of the vault, such as STRIPE_KEY.")(function)


def _key(ctx: click.Context, _: click.Parameter, value: str | None) -> str:
    if not value:
        raise click.UsageError(f"Say which key: make {target(ctx)} ENV=stage KEY=STRIPE_KEY")
    return value


def target(ctx: click.Context) -> str:
    """The Makefile's name for the current command.

    + ctx: click's context
    """
    return (ctx.info_name or "").rpartition(".")[2].rpartition(" ")[2].replace("_", "-")


as_json = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
yes = click.option("--yes", is_flag=True, help="Go ahead without a question.")
shut_out = click.option(
    "--yes", is_flag=True, help="Even when it shuts you out: recipients.txt names no key you can use."
)
new_recipients = click.option(
    "--new-recipients", is_flag=True, help="Encrypt for recipients who are new in recipients.txt, without a question."
)
application = click.option(
    "--app", type=click.Path(path_type=Path), metavar="PATH", help="The application's checkout, such as ../billing."
)


def required(ctx: click.Context, value: Path | None) -> Path:
    """The path of the application. Without one, a message asks for it.

    + ctx: click's context
    + value: value of `--app`
    """
    if value is None:
        raise click.UsageError(f"Say where the application is: make {target(ctx)} APP=../billing")
    return value


def print_json(value: object) -> None:
    """Print a value as indented JSON, one key a line."""
    click.echo(json.dumps(value, indent=2))
