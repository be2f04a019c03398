"""Changes that bring a checkout in step with its environments.

In a file of the team, the lines between two markers are ours and every other line stays. Two things are the exception,
because they would contradict our lines: a cookie, and the node name in a vm.args.
"""

from collections.abc import Sequence

from checkout import change_configuration, change_distillery, change_mix, change_variables
from checkout.blocks import Texts
from checkout.compare import differences
from checkout.files import Read
from checkout.way import takes_variables
from group_data.schema.environment import Environment


def bring_in_step(read: Read, environments: Sequence[Environment]) -> dict[str, str]:
    """The files that must change so that the application agrees with these environments, each with its new text.

    + read: reads a file of the checkout
    + environments: of this application

    Raises DeployError when a file or a marker is missing, and ElixirError when a file is not Elixir.
    """
    changed: dict[str, str] = {}

    def current(file: str) -> str | None:
        return changed.get(file, read(file))

    for environment in environments:
        texts = Texts(current)
        _change(texts, environment)
        # What app-check does not name is in step, so app-apply leaves it alone.
        if differences(current, environment):
            changed |= texts.changes()
    return {file: text for file, text in changed.items() if text != read(file)}


def _change(texts: Texts, environment: Environment) -> None:
    if takes_variables(texts.read, environment):
        change_variables.change(texts, environment)
        return
    change_configuration.change(texts, environment)
    tool = change_mix if environment.secrets_read_at_start else change_distillery
    tool.change(texts, environment)
