"""AppSignal's working directory, which its agent does not create under a root that is missing."""

from group_data.schema.environment import Environment
from operations.host import home


def working_directory(environment: Environment) -> None:
    """AppSignal's own directory below the environment's root, so that no two environments mix their data.

    The default, /tmp/appsignal, is shared by every environment and writable by everybody. Without AppSignal it goes away:
    it holds what the agent has not sent yet, and its lock.
    """
    home.directory(
        name="AppSignal directory",
        path=environment.appsignal_path,
        user=environment.user,
        mode="750",
        present=environment.appsignal,
        _sudo_user=environment.user,
    )
