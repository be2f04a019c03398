"""One problem in the data, and one environment as the rules see it."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from group_data.schema.environment import Environment

T = TypeVar("T")


class Problem(NamedTuple):
    """One thing to mend.

    + host: the inventory host or option
    + text: the mistake and the way out
    + where: the file to change
    """

    host: str
    text: str
    where: str


def no_environment(name: str, known: Iterable[str]) -> str:
    """The answer to a misspelt name of an environment, the same everywhere.

    + name: the name as typed
    + known: the names that there are
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"there is no environment {name!r}{f' (did you mean {near[0]}?)' if near else ''}; there are: {', '.join(names)}"


@dataclass(frozen=True)
class Subject:
    """One environment as the rules see it.

    + host: its inventory host
    + machine: address and port of its machine
    + environment: the model without its wrong keys; reading one of these raises AttributeError
    + sources: the file of each key that is set
    + home: the file for a key that is not set
    + ssh_user: the user SSH logs in as; None if the data does not say so
    """

    host: str
    machine: tuple[str, int]
    environment: Environment
    sources: Mapping[str, str]
    home: str
    ssh_user: str | None = None

    def problem(self, key: str, text: str) -> Problem:
        """A problem with a key.

        + key: the key to change
        + text: the mistake, its effect, and the way out
        """
        return Problem(self.host, text, self.sources.get(key, self.home))

    def read(self, reader: Callable[[Environment], Iterable[T]]) -> Iterator[T]:
        """The results of a reader, up to the first wrong key, which is reported already.

        + reader: takes the environment
        """
        try:
            yield from reader(self.environment)
        except AttributeError:
            # If no key is missing, the reader itself is wrong.
            if vars(self.environment).keys() >= Environment.model_fields.keys():
                raise
