"""Changes to the files of mix release."""

from collections.abc import Sequence

from tree_sitter import Node

from checkout.blocks import Texts, block
from checkout.change_configuration import chosen
from checkout.compare_mix import applications
from checkout.project import provider_paths, read_project
from checkout.syntax import pairs
from checkout.vm_args import without_flags
from checkout.way import NODE_FILE
from group_data.schema.environment import Environment
from operations.host.rendering import elixir_string


def change(texts: Texts, environment: Environment) -> None:
    """Node name, flags of the VM and configuration provider are the environment's.

    + texts: files of the checkout
    + environment: of this application
    """
    _env_sh(texts, environment)
    _vm_args_eex(texts)
    list_applications(texts, environment)
    _mix_release(texts, environment)


def _env_sh(texts: Texts, environment: Environment) -> None:
    lines = [
        f"<%= if {chosen(environment)} do %>",
        "export RELEASE_DISTRIBUTION=name",
        f"export RELEASE_NODE={environment.node}",
        "<% end %>",
    ]
    texts.block(NODE_FILE, environment.environment, lines, "#!/bin/sh\n")


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
    releases = _listed(environment.release, release)
    entries = [
        ("config_providers", "", provider),
        ("release", "config_providers", release),
        ("releases", environment.release, releases),
        ("project", "releases", _listed("releases", releases)),
    ]
    name, key, lines = next((entry for entry in entries if entry[0] in lists), ("", "", []))
    if name and key not in pairs(lists[name]) and not (name == "releases" and pairs(lists[name])):
        texts.edit("mix.exs", lambda _: _inserted(text, lists[name], lines))


def list_applications(texts: Texts, environment: Environment) -> None:
    """The release of an umbrella without `releases:` names its applications, which mix release insists on.

    + texts: files of the checkout
    + environment: with the application and the endpoint's
    """
    project = read_project(texts.read, environment)
    if project.is_umbrella and "releases" not in pairs(project.lists["project"]):
        lines = _listed("releases", _listed(environment.release, [applications(environment)]))
        text = texts.read("mix.exs") or ""
        texts.edit("mix.exs", lambda _: _inserted(text, project.lists["project"], lines, "applications"))


def _listed(key: str, lines: Sequence[str]) -> list[str]:
    return [f"{key}: [", *(f"  {line}" for line in lines), "]"]


def _inserted(text: str, elements: Node, lines: Sequence[str], name: str = "releases") -> str:
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
    return f"{before}\n{block(name, lines, f'{margin}  ').rstrip(chr(10))}{below}"


def _secret_path(environment: Environment) -> str:
    """An Elixir expression for the path; one expression for all environments if their names allow it."""
    names = {"Mix.env()": environment.mix_env, 'System.get_env("DEPLOYMENT_CONFIG")': environment.deployment_config}
    for expression, name in names.items():
        if environment.secret_path == f"/var/{name}.secret.exs":
            return f'"/var/#{{{expression}}}.secret.exs"'
    return elixir_string(environment.secret_path)
