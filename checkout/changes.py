"""An application's checkout in step with its environments: which of its files change, and what they hold then.

In a file of the team's own, ours are the lines between two markers. All others stay, but for those that say the same thing
otherwise: a cookie, and the node name in a vm.args.
"""

import re
from collections.abc import Sequence

from pyinfra.api.exceptions import DeployError
from tree_sitter import Node

from checkout import sources
from checkout.blocks import Texts, block
from checkout.compare import DELIVERED, HOOK, build_at, hook_in, provided, settings_file
from checkout.elixir import pairs
from checkout.sources import RUNTIME, Read
from group_data.schema.environment import Environment
from operations.host.rendering import elixir_string, render

CONFIG = "config/config.exs"

# Flags of a vm.args that are said in our block alone.
_TAKEN_OVER = {"-name", "-sname", "-setcookie", "-smp"}


def bring_in_step(read: Read, environments: Sequence[Environment]) -> dict[str, str]:
    """The files that change, each with its new text, so that the application agrees with these environments.

    + read: the files of the checkout
    + environments: of this application

    Raises DeployError for a file that is missing or whose blocks are torn, and ElixirError for one that cannot be read.
    """
    texts = Texts(read)
    for environment in environments:
        _settings(texts, environment)
        _appsignal(texts, environment)
        _imports(texts, environment)
        if environment.secrets_read_at_start:
            _runtime(texts, environment)
            _env_sh(texts, environment)
            _vm_args_eex(texts)
            _mix_release(texts, environment)
        else:
            _vm_args(texts, environment)
            _distillery(texts, environment)
            _edeliver(texts, environment)
    return texts.changes()


# What `mix format` wants between an expression of several lines and the comment that ends a block.
_SPACE = ""


def _under(condition: str, lines: Sequence[str]) -> list[str]:
    return [f"if {condition} do", *(f"  {line}" if line else "" for line in lines), "end", _SPACE]


def _chosen(environment: Environment, mix_env: str = "Mix.env()") -> str:
    """The condition, in Elixir, under which a build or a start is this environment's."""
    condition = f"{mix_env} == :{environment.mix_env}"
    if environment.deployment_config:
        condition += f' and System.get_env("DEPLOYMENT_CONFIG") == {elixir_string(environment.deployment_config)}'
    return condition


def _header(texts: Texts) -> str:
    """What a configuration file begins with, as config/config.exs does."""
    old = re.search(r"^use Mix\.Config$", texts.read(CONFIG) or "", re.MULTILINE)
    return "use Mix.Config\n" if old else "import Config\n"


# --- Configuration ----------------------------------------------------------------------------------------------------


def _endpoint(texts: Texts, environment: Environment) -> list[str]:
    theirs = sources.configuration(lambda file: texts.without(file, environment.environment), environment)
    loads = theirs.settings.get((environment.app, environment.endpoint, "load_from_system_env"))
    return render(
        "application/endpoint.exs.j2",
        environment=environment,
        load_from_system_env=loads is not None,
    ).splitlines()


def _settings(texts: Texts, environment: Environment) -> None:
    file, name = settings_file(environment), environment.environment
    lines = _endpoint(texts, environment)
    if not environment.secrets_read_at_start:
        above = "../" if environment.deployment_config else ""
        imported = elixir_string(above + environment.secret_path.rpartition("/")[2])
        if not re.search(
            rf"^\s*import_config[ (]+{re.escape(imported)}", texts.without(file, name) or "", re.MULTILINE
        ):
            lines += ["", f"import_config {imported}"]
    texts.block(file, name, [*lines, _SPACE], _header(texts))


def _appsignal(texts: Texts, environment: Environment) -> None:
    if not _has_appsignal(texts, environment):
        return
    file, name = "config/appsignal.exs", environment.environment
    theirs = sources.configuration(lambda other: texts.without(other, name), environment).settings
    # AppSignal before 2.2 had another name for it.
    old = ("appsignal", "config", "working_dir_path") in theirs
    setting = f"{'working_dir_path' if old else 'working_directory_path'}: {elixir_string(environment.appsignal_path)}"
    lines = _under(_chosen(environment), [f"config :appsignal, :config, {setting}"])
    texts.block(file, name, lines, _header(texts))


def _has_appsignal(texts: Texts, environment: Environment) -> bool:
    known = texts.read("config/appsignal.exs") is not None or ":appsignal" in (texts.read("mix.exs") or "")
    return environment.appsignal and known


def _imports(texts: Texts, environment: Environment) -> None:
    """What was written is reached from config/config.exs, where it was not before."""
    base, settings = f"config/{environment.mix_env}.exs", settings_file(environment)
    below = [base, *(["config/appsignal.exs"] if _has_appsignal(texts, environment) else [])]
    _imported(texts, environment, CONFIG, below)
    if settings != base:
        _imported(texts, environment, base, [settings])


def _imported(texts: Texts, environment: Environment, base: str, wanted: Sequence[str]) -> None:
    name = environment.environment
    found = sources.configuration(
        lambda file: texts.without(file, name) if file == base else texts.read(file), environment
    )
    lines = [
        f"import_config {elixir_string(file.removeprefix('config/'))}" for file in wanted if file not in found.files
    ]
    texts.block(base, name, _under(_chosen(environment), lines) if lines else [], _header(texts))


def _runtime(texts: Texts, environment: Environment) -> None:
    lines = _under(_chosen(environment, "config_env()"), _endpoint(texts, environment))
    texts.block(RUNTIME, environment.environment, lines, "import Config\n")


# --- mix release ------------------------------------------------------------------------------------------------------


def _env_sh(texts: Texts, environment: Environment) -> None:
    lines = [
        f"<%= if {_chosen(environment)} do %>",
        "export RELEASE_DISTRIBUTION=name",
        f"export RELEASE_NODE={environment.node}",
        "<% end %>",
    ]
    texts.block("rel/env.sh.eex", environment.environment, lines, "#!/bin/sh\n")


def _vm_args_eex(texts: Texts) -> None:
    texts.edit("rel/vm.args.eex", _without_flags)
    texts.block("rel/vm.args.eex", "flags", ["# Node name: rel/env.sh.eex. Cookie: $HOME/.erlang.cookie.", "-smp auto"])


def _without_flags(text: str) -> str:
    """A vm.args without the flags that are said in our block; what else stands in their lines stays."""

    def kept(match: re.Match[str]) -> str:
        return "" if match[1] in _TAKEN_OVER else match[0]

    lines = []
    for line in text.splitlines(keepends=True):
        code, comment, rest = line.partition("#")
        changed = re.sub(sources.FLAG + r"[ \t]*", kept, code) + comment + rest
        if changed == line or changed.strip():
            lines.append(changed)
    return "".join(lines)


def _mix_release(texts: Texts, environment: Environment) -> None:
    """The secret file is a configuration provider: it is inserted at the innermost list of mix.exs that is there.

    Where code puts the lists together, or releases have other names, that is left to the team, and app-check tells where.
    """
    there = sources.project(texts.read, environment).release.get("config_providers")
    if there and environment.secret_path in provided(there.value):
        return
    text = texts.without("mix.exs", "releases") or ""
    lists = sources.project(lambda _: text, environment).lists
    provider = [f"{{Config.Reader, path: {_secret_path(environment)}, env: Mix.env()}}"]
    release = _listed("config_providers", provider)
    releases = _listed(environment.app, release)
    entries = [
        ("config_providers", "", provider),
        ("release", "config_providers", release),
        ("releases", environment.app, releases),
        ("project", "releases", _listed("releases", releases)),
    ]
    name, key, lines = next((entry for entry in entries if entry[0] in lists), ("", "", []))
    if name and key not in pairs(lists[name]) and not (name == "releases" and pairs(lists[name])):
        texts.edit("mix.exs", lambda _: _inserted(text, lists[name], lines))


def _listed(key: str, lines: Sequence[str]) -> list[str]:
    return [f"{key}: [", *(f"  {line}" for line in lines), "]"]


def _inserted(text: str, elements: Node, lines: Sequence[str]) -> str:
    """With the lines before the other elements of a list, as `mix format` would have them."""
    before, after = text.encode()[: elements.start_byte + 1].decode(), text.encode()[elements.start_byte + 1 :].decode()
    row = before.rpartition("\n")[2]
    margin = row[: len(row) - len(row.lstrip())]
    if any(child.type == "tuple" for child in elements.named_children) and not lines[0].startswith("{"):
        # A keyword may not stand before what is none.
        key, _, first = lines[0].partition(": ")
        lines = [f"{{:{key}, {first}", *lines[1:-1], f"{lines[-1]}}}"]
    if elements.named_children:
        lines = [*lines[:-1], f"{lines[-1]},"]
    below = (
        after if after.startswith("\n") else f"\n{margin}{'  ' if elements.named_children else ''}{after.lstrip(' ')}"
    )
    return f"{before}\n{block('releases', lines, f'{margin}  ').rstrip(chr(10))}{below}"


def _secret_path(environment: Environment) -> str:
    """An expression for it, which is the same for all environments where it can be."""
    names = {"Mix.env()": environment.mix_env, 'System.get_env("DEPLOYMENT_CONFIG")': environment.deployment_config}
    for expression, name in names.items():
        if environment.secret_path == f"/var/{name}.secret.exs":
            return f'"/var/#{{{expression}}}.secret.exs"'
    return elixir_string(environment.secret_path)


# --- Distillery and edeliver ------------------------------------------------------------------------------------------


def _vm_args(texts: Texts, environment: Environment) -> None:
    """The environment's own vm.args, which begins as a copy of the one it had."""
    name, file = environment.environment, f"rel/vm.args.{environment.environment}"
    before = sources.distillery_environment(texts.read, name)[1].get("vm_args")
    had = texts.read(before.value if before and isinstance(before.value, str) else "rel/vm.args")
    theirs = texts.without(file, name)
    texts.edit(file, lambda _: _without_flags(theirs if theirs is not None else had or ""))
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
    node, _ = sources.distillery_environment(lambda _: text, name)
    if node is None:
        lines = [f"environment :{name} do", *(f"  {line}" for line in lines), "end"]
        texts.block(file, name, lines)
    elif end := next((child for child in node.named_children[-1].children if child.type == "end"), None):
        # A second block for an environment would take the place of this one: ours go inside, last.
        before, after = text.encode()[: end.start_byte].decode(), text.encode()[end.start_byte :].decode()
        rows, margin = before.rpartition("\n")[0], before.rpartition("\n")[2]
        if margin.strip():
            rows, margin = before.rstrip(" "), ""
        texts.edit(file, lambda _: f"{rows}\n{block(name, lines, f'{margin}  ')}{margin}{after}")


def _without_cookies(text: str, environment: Environment) -> str:
    """A rel/config.exs without the cookies of an environment; what is set beside them stays."""
    source = text.encode()
    for statement, cookie in reversed(sources.distillery_cookies(lambda _: text, environment)):
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
    if "BUILD_AT" not in sources.shell_variables(lambda _: theirs, file, {}):
        lines.append(f'BUILD_AT="{build_at(environment)}"')
    # A second function of that name would take the place of theirs.
    if not hook_in(theirs):
        lines += render("application/hook.sh.j2", hook=HOOK).splitlines()
    texts.block(file, "build", lines)
    if variable := DELIVERED.get(environment.environment):
        texts.block(file, environment.environment, [f'{variable}="{environment.root}"'])
