"""Rules for the settings of a build's access to private dependencies. Each yields the key to change, and the sentence."""

from collections.abc import Iterator

from group_data.schema.environment import Environment
from group_data.schema.reserved import BUILD_PREFIXES, BUILD_VARIABLES, source_of


def _build_secrets(e: Environment) -> Iterator[tuple[str, str]]:
    key = "build_secrets"
    for name in dict.fromkeys(e.build_secrets):
        if e.makes_variable(name):
            yield key, f"build_secrets: {name} is made from {source_of(name)}: take it out"
        if name in BUILD_VARIABLES or name.startswith(BUILD_PREFIXES):
            yield key, f"build_secrets: {name} means something to the programs of a build already: take another name"
        if e.build_secrets.count(name) > 1:
            yield key, f"build_secrets: {name} is there twice: take one out"
        if name in e.unit_environment:
            yield key, f"build_secrets: {name} is in unit_environment too, where everybody can read it: keep one"
        if name == name.lower():
            yield (
                key,
                f"build_secrets: {name} has no capital letter: such a key of a vault becomes a setting in the secret file, "
                "and no variable; take it out",
            )


def _names(e: Environment) -> Iterator[tuple[str, str]]:
    """Every key that a setting names is one of build_secrets."""
    repositories = {name: text.split()[2] for name, text in e.build_hex_repositories.items() if len(text.split()) > 2}
    for key, entries in (
        ("build_hex_organizations", e.build_hex_organizations),
        ("build_hex_repositories", repositories),
        ("build_git_tokens", e.build_git_tokens),
    ):
        for place, name in entries.items():
            if name not in e.build_secrets:
                yield key, f"{key}: {place} names {name}, which is not in build_secrets: add it there"
    if "hexpm" in e.build_hex_repositories:
        yield (
            "build_hex_repositories",
            "build_hex_repositories: hexpm is hex.pm itself, which Hex knows: name an organization of it in "
            "build_hex_organizations",
        )


def _git_hosts(e: Environment) -> Iterator[tuple[str, str]]:
    hosts = [place.rpartition("@")[2] for place in e.build_git_tokens]
    for host in dict.fromkeys(hosts):
        if hosts.count(host) > 1:
            yield "build_git_tokens", f"build_git_tokens: {host} is there twice: git would take the first one; keep one"


def _deploy_key(e: Environment) -> Iterator[tuple[str, str]]:
    name = e.build_deploy_key
    if name and name == name.lower():
        yield (
            "build_deploy_key",
            f"build_deploy_key = {name!r} has no capital letter: such a key of a vault becomes a setting in the secret "
            "file; take a name such as BUILD_DEPLOY_KEY",
        )
    for key in ("build_secrets", "secret_variables"):
        if name and name in getattr(e, key):
            yield (
                "build_deploy_key",
                f"build_deploy_key = {name!r} is in {key} too, which makes it a variable: take it out there, because only "
                "ssh needs it",
            )
    if name and not e.build_known_hosts:
        yield (
            "build_known_hosts",
            f"build_deploy_key = {name!r} needs build_known_hosts: ssh refuses a host whose public key it does not know",
        )
    if e.build_known_hosts and not name:
        yield (
            "build_known_hosts",
            "build_known_hosts is not used without build_deploy_key: remove it, or name the key",
        )


BUILD_RULES = (_build_secrets, _names, _git_hosts, _deploy_key)
