"""Changes to the files of Distillery and edeliver."""

from pyinfra.api.exceptions import DeployError

from checkout.assignments import read_assignments
from checkout.blocks import Texts, block
from checkout.distillery import read_cookies, read_environment
from checkout.edeliver import DELIVERED, HOOK, build_at, hook_in
from checkout.vm_args import without_flags
from group_data.schema.environment import Environment
from operations.host.rendering import render


def change(texts: Texts, environment: Environment) -> None:
    """Release, flags of the VM and edeliver's paths are the environment's.

    + texts: files of the checkout
    + environment: of this application

    Raises DeployError when rel/config.exs is missing.
    """
    _vm_args(texts, environment)
    _distillery(texts, environment)
    _edeliver(texts, environment)


def _vm_args(texts: Texts, environment: Environment) -> None:
    """The environment has a vm.args of its own; a new one begins as a copy of the one it used before."""
    name, file = environment.environment, f"rel/vm.args.{environment.environment}"
    before = read_environment(texts.read, name)[1].get("vm_args")
    had = texts.read(before.value if before and isinstance(before.value, str) else "rel/vm.args")
    theirs = texts.without(file, name)
    texts.edit(file, lambda _: without_flags(theirs if theirs is not None else had or ""))
    lines = [
        f"-name {environment.node}",
        "# No -setcookie: the cookie is a secret, in $HOME/.erlang.cookie.",
        "-smp auto",
    ]
    texts.block(file, name, lines)


def _distillery(texts: Texts, environment: Environment) -> None:
    name, file = environment.environment, "rel/config.exs"
    lines = [
        f'set vm_args: "rel/vm.args.{name}"',
        f"set include_erts: {str(environment.include_erts).lower()}",
        f"set include_src: {str(environment.include_src).lower()}",
    ]
    if texts.read(file) is None:
        raise DeployError(
            f"there is no {file}: `mix distillery.init` makes it, or set release_tool. Nothing was changed"
        )
    texts.edit(file, lambda text: _without_cookies(text, environment))
    text = texts.without(file, name) or ""
    node, _ = read_environment(lambda _: text, name)
    if node is None:
        lines = [f"environment :{name} do", *(f"  {line}" for line in lines), "end"]
        texts.block(file, name, lines)
    elif end := next((child for child in node.named_children[-1].children if child.type == "end"), None):
        # A second block for the environment would replace this one, so our lines go to its end.
        before, after = text.encode()[: end.start_byte].decode(), text.encode()[end.start_byte :].decode()
        rows, margin = before.rpartition("\n")[0], before.rpartition("\n")[2]
        if margin.strip():
            rows, margin = before.rstrip(" "), ""
        texts.edit(file, lambda _: f"{rows}\n{block(name, lines, f'{margin}  ')}{margin}{after}")


def _without_cookies(text: str, environment: Environment) -> str:
    """A rel/config.exs without the cookies of an environment; other settings in the same statement stay."""
    source = text.encode()
    for statement, cookie in reversed(read_cookies(lambda _: text, environment)):
        begin, end = statement.start_byte, statement.end_byte
        previous, following = cookie.prev_named_sibling, cookie.next_named_sibling
        if following:
            begin, end = cookie.start_byte, following.start_byte
        elif previous:
            begin, end = previous.end_byte, cookie.end_byte
        else:
            row = source.rfind(b"\n", 0, begin) + 1, source.find(b"\n", end) + 1
            if not source[row[0] : begin].strip() and not source[end : row[1]].strip():
                begin, end = row
        source = source[:begin] + source[end:]
    return source.decode()


def _edeliver(texts: Texts, environment: Environment) -> None:
    file = ".deliver/config"
    if texts.read(file) is None:
        return
    theirs = texts.without(file, "build") or ""
    lines = []
    if "BUILD_AT" not in read_assignments(lambda _: theirs, file, {}):
        lines.append(f'BUILD_AT="{build_at(environment)}"')
    # A second function with this name would replace theirs.
    if not hook_in(theirs):
        lines += render("application/hook.sh.j2", hook=HOOK).splitlines()
    texts.block(file, "build", lines)
    if variable := DELIVERED.get(environment.environment):
        texts.block(file, environment.environment, [f'{variable}="{environment.root}"'])
