"""The way an application gets its secrets, as its own files tell: from environment variables, or from the secret file."""

from checkout.blocks import without_blocks
from checkout.configuration import read_configuration, runtime_file
from checkout.files import Read
from checkout.project import provider_paths, read_project
from checkout.syntax import called, parse
from group_data.schema.environment import Environment

# Variables that say where and how the endpoint serves. Reading one of these alone says nothing about secrets.
_PLACE = {"PHX_SERVER", "PHX_HOST", "PORT", "DNS_CLUSTER_QUERY"}

# app-apply writes this file for an application with the secret file alone.
NODE_FILE = "rel/env.sh.eex"


def takes_variables(read: Read, environment: Environment) -> bool:
    """Whether the application reads its secrets from variables, as `mix phx.new` writes it.

    True for a configuration of the team's own that runs when a release starts. False with a secret file as provider, with
    what `app-apply` writes for one, with Distillery, and where that configuration reads variables in other Mix environments
    than this one.

    + read: reads a file of the checkout
    + environment: decides release tool, MIX_ENV and secret file
    """
    if not environment.secrets_read_at_start or _has_provider(read, environment) or _has_our_node(read, environment):
        return False
    theirs = without_blocks(read)
    runtime = runtime_file(theirs, environment)
    if not any(called(node) != "import" for node in parse(theirs(runtime) or "", runtime).named_children):
        return False
    if knows_prod_alone(theirs, environment):
        return theirs(f"config/{environment.mix_env}.exs") is None
    return True


def knows_prod_alone(read: Read, environment: Environment) -> bool:
    """Whether the configuration reads secrets from variables in the Mix environment prod, and not in this one.

    + read: reads a file of the checkout
    + environment: decides MIX_ENV
    """
    if environment.mix_env == "prod" or read_configuration(read, environment).reads - _PLACE:
        return False
    return bool(read_configuration(read, with_mix_env_prod(environment)).reads - _PLACE)


def with_mix_env_prod(environment: Environment) -> Environment:
    """The environment as if it were built with MIX_ENV=prod.

    + environment: any
    """
    return environment.model_copy(update={"mix_env": "prod", "deployment_config": None})


def _has_provider(read: Read, environment: Environment) -> bool:
    providers = read_project(read, environment).release.get("config_providers")
    return providers is not None and environment.secret_path in provider_paths(providers.value)


def _has_our_node(read: Read, environment: Environment) -> bool:
    return f"# >>> deploy: {environment.environment}\n" in (read(NODE_FILE) or "")
