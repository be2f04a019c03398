"""AppSignal's working directory. The agent does not create it if its parent is missing."""

from group_data.schema.environment import Environment
from operations.host import home


def working_directory(environment: Environment) -> None:
    """Give AppSignal a directory below the environment's root, so that environments do not mix their data.

    All environments would share the default, /tmp/appsignal, and everybody can write there. Without AppSignal the directory
    is removed: it holds the agent's lock and data that the agent has not sent yet.
    """
    home.directory(
        name="AppSignal directory",
        path=environment.appsignal_path,
        user=environment.user,
        mode="750",
        present=environment.appsignal,
        _sudo_user=environment.user,
    )
