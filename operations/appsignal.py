"""AppSignal's working directory, which its agent does not create under a root that is missing."""

from pyinfra.operations import files

from group_data.schema.environment import Environment


def working_directory(environment: Environment) -> None:
    """AppSignal's own directory below the environment's root, so that no two environments mix their data.

    The default, /tmp/appsignal, is shared by every environment and writable by everybody. Without AppSignal it goes away:
    it holds what the agent has not sent yet, and its lock.
    """
    files.directory(
        name="AppSignal directory",
        path=environment.appsignal_path,
        present=environment.appsignal,
        mode="750",
        _sudo_user=environment.user,
    )
