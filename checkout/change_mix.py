"""Changes to the files of mix release."""

from collections.abc import Sequence

from tree_sitter import Node

from checkout.blocks import Texts, block
from checkout.change_configuration import chosen
from checkout.project import provider_paths, read_project
from checkout.syntax import pairs
from checkout.vm_args import without_flags
from group_data.schema.environment import Environment
from operations.host.rendering import elixir_string


def change(texts: Texts, environment: Environment) -> None:
    """Node name, flags of the VM and configuration provider are the environment's.

    + texts: files of the checkout
    + environment: of this application
    """
    _env_sh(texts, environment)
    _vm_args_eex(texts)
    _mix_release(texts, environment)


def _env_sh(texts: Texts, environment: Environment) -> None:
    lines = [
        f"<%= if {chosen(environment)} do %>",
        "export RELEASE_DISTRIBUTION=name",
        f"export RELEASE_NODE={environment.node}",
        "<% end %>",
    ]
    texts.block("rel/env.sh.eex", environment.environment, lines, "#!/bin/sh\n")


def _vm_args_eex(texts: Texts) -> None:
    texts.edit("rel/vm.args.eex", without_flags)
    texts.block("rel/vm.args.eex", "flags", ["# Node name: rel/env.sh.eex. Cookie: $HOME/.erlang.cookie.", "-smp auto"])


def _mix_release(texts: Texts, environment: Environment) -> None:
    """mix.exs has the secret file as a configuration provider, in the innermost list that is already there.

    The team adds it when code assembles the lists or when the releases have other names; app-check then names the line.
    """
    there = read_project(texts.read, environment).release.get("config_providers")
    if there and environment.secret_path in provider_paths(there.value):
        return
    text = texts.without("mix.exs", "releases") or ""
    lists = read_project(lambda _: text, environment).lists
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
    """The text with our lines as the first elements of a list, in the layout of `mix format`."""
    before, after = text.encode()[: elements.start_byte + 1].decode(), text.encode()[elements.start_byte + 1 :].decode()
    row = before.rpartition("\n")[2]
    margin = row[: len(row) - len(row.lstrip())]
    if any(child.type == "tuple" for child in elements.named_children) and not lines[0].startswith("{"):
        # In a list, Elixir takes keywords only after all other elements.
        key, _, first = lines[0].partition(": ")
        lines = [f"{{:{key}, {first}", *lines[1:-1], f"{lines[-1]}}}"]
    if elements.named_children:
        lines = [*lines[:-1], f"{lines[-1]},"]
    below = (
        after if after.startswith("\n") else f"\n{margin}{'  ' if elements.named_children else ''}{after.lstrip(' ')}"
    )
    return f"{before}\n{block('releases', lines, f'{margin}  ').rstrip(chr(10))}{below}"


def _secret_path(environment: Environment) -> str:
    """An Elixir expression for the path; one expression for all environments if their names allow it."""
    names = {"Mix.env()": environment.mix_env, 'System.get_env("DEPLOYMENT_CONFIG")': environment.deployment_config}
    for expression, name in names.items():
        if environment.secret_path == f"/var/{name}.secret.exs":
            return f'"/var/#{{{expression}}}.secret.exs"'
    return elixir_string(environment.secret_path)
