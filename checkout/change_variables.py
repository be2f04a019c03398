"""Changes to an application that takes variables: the few settings that the unit's variables do not give."""

from collections.abc import Sequence

from checkout.blocks import Texts
from checkout.change_mix import list_applications
from checkout.compare_names import likely_endpoint
from checkout.configuration import read_configuration, runtime_file
from checkout.endpoint import Wrong, wrong_settings
from checkout.values import shown
from checkout.way import knows_prod_alone, with_mix_env_prod
from group_data.schema.environment import Environment
from operations.host.rendering import elixir_string


def change(texts: Texts, environment: Environment) -> None:
    """The endpoint agrees with the environment when a release starts, and an umbrella's release names its applications.

    All environments share a build, so the block of each begins with the question for its domain.

    + texts: files of the checkout
    + environment: of this application
    """
    list_applications(texts, environment)
    if knows_prod_alone(texts.read, environment):
        environment = with_mix_env_prod(environment)
    file, name = runtime_file(texts.read, environment), environment.environment
    theirs = read_configuration(
        lambda other: texts.without(other, name) if other == file else texts.read(other), environment
    )
    # A wrong name is for group data, so nothing is written under either name.
    if likely_endpoint(theirs.settings, environment) != (environment.web_app, environment.endpoint):
        return
    wrong = wrong_settings(theirs, environment, variables=True)
    # Where the application reads a variable that is not set yet, group data can set it: no edit here.
    texts.block(file, name, _block([setting for setting in wrong if not setting.setting.unset], environment))


def _block(wrong: Sequence[Wrong], environment: Environment) -> list[str]:
    if not wrong:
        return []
    groups: dict[str, dict[str, str]] = {}
    for _, (key, *below), _, expected in wrong:
        groups.setdefault(key, {})["".join(below)] = shown(expected)
    settings = [f"{key}: {_nested(values)}" for key, values in groups.items()]
    condition = (
        f'config_env() == :{environment.mix_env} and System.get_env("PHX_HOST") == {elixir_string(environment.domain)}'
    )
    lines = [f"config :{environment.web_app}, {environment.endpoint},", *(f"  {setting}," for setting in settings)]
    lines[-1] = lines[-1].removesuffix(",")
    return [f"if {condition} do", *(f"  {line}" for line in lines), "end", ""]


def _nested(values: dict[str, str]) -> str:
    return values[""] if "" in values else f"[{', '.join(f'{key}: {value}' for key, value in values.items())}]"
