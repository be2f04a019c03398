"""The Elixir that an application's mix.exs asks for."""

import tarfile
from pathlib import Path

from checkout.elixir_version import matches
from checkout.files import Read
from checkout.project import read_project
from checkout.syntax import ElixirError
from checkout.values import Setting
from group_data.schema.environment import Environment


def from_archive(archive: Path, directory: str) -> Read:
    """A reader for the files of an archive. Text that is not UTF-8 counts as a file that is not there.

    + archive: .tar.gz of the sources
    + directory: the application's directory in it, or "."
    """

    def read(name: str) -> str | None:
        wanted = Path(directory, name)
        with tarfile.open(archive) as files:
            for member in files:
                if Path(member.name) == wanted and (file := files.extractfile(member)):
                    return file.read().decode(errors="replace")
        return None

    return read


def required(read: Read, environment: Environment) -> list[Setting]:
    """What mix.exs, and in an umbrella the mix.exs of the application and of its endpoint, ask for, as far as it is known.

    + read: reads a file of the checkout
    + environment: names the applications

    Raises ElixirError when a file is not Elixir.
    """
    found = []
    for name in dict.fromkeys(["mix.exs", *(f"apps/{app}/mix.exs" for app in (environment.app, environment.web_app))]):
        text = read(name)
        asked = read_project({"mix.exs": text}.get, environment).elixir if text else None
        if asked:
            found.append(asked._replace(file=name))
    return found


def unmet(read: Read, environment: Environment, version: str) -> Setting | None:
    """The requirement that a version of Elixir does not meet; None if it meets all that are known.

    + read: reads a file of the checkout
    + environment: names the applications
    + version: of Elixir
    """
    try:
        asked = required(read, environment)
    except ElixirError:
        # The build says what is wrong with the file.
        return None
    return next((setting for setting in asked if not _meets(version, str(setting.value))), None)


def _meets(version: str, requirement: str) -> bool:
    try:
        return matches(version, requirement)
    except ValueError:
        # Elixir itself says that it is none.
        return True
