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

# Columns of `mix format`.
_WIDTH = 98


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
    """The lines in the layout of `mix format`."""
    if not wrong:
        return []
    groups: dict[str, list[tuple[str, object]]] = {}
    for _, (key, *below), _, expected in wrong:
        groups.setdefault(key, []).append(("".join(below), expected))
    settings = [(key, _elements(values)) for key, values in groups.items()]
    head = f"config :{environment.web_app}, {environment.endpoint},"
    short = " ".join([head, ", ".join(f"{key}: {_joined(elements)}" for key, elements in settings)])
    lines = [short] if len(short) <= _WIDTH - 2 else [head, *_one_a_line(settings)]
    return [*_condition(environment), *(f"  {line}" for line in lines), "end", ""]


def _condition(environment: Environment) -> list[str]:
    mix_env = f"config_env() == :{environment.mix_env}"
    domain = f'System.get_env("PHX_HOST") == {elixir_string(environment.domain)}'
    line = f"if {mix_env} and {domain} do"
    return [line] if len(line) <= _WIDTH else [f"if {mix_env} and", f"     {domain} do"]


def _elements(values: Sequence[tuple[str, object]]) -> str | list[str]:
    """The elements of a setting's list, or its value."""
    match values:
        case [("", list() as items)]:
            return [shown(item) for item in items]
        case [("", value)]:
            return shown(value)
        case _:
            return [f"{key}: {shown(value)}" for key, value in values]


def _joined(elements: str | list[str]) -> str:
    return elements if isinstance(elements, str) else f"[{', '.join(elements)}]"


def _one_a_line(settings: Sequence[tuple[str, str | list[str]]]) -> list[str]:
    lines: list[str] = []
    for key, elements in settings:
        line = f"  {key}: {_joined(elements)}"
        if isinstance(elements, str) or len(line) + 3 <= _WIDTH:
            lines.append(f"{line},")
        else:
            lines += [f"  {key}: [", *(f"    {element}," for element in elements[:-1]), f"    {elements[-1]}", "  ],"]
    lines[-1] = lines[-1].removesuffix(",")
    return lines
