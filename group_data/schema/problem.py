"""One problem in the data, and one environment as the rules see it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from group_data.schema.environment import Environment

T = TypeVar("T")


class Problem(NamedTuple):
    """One thing to mend: the inventory host or option, what is wrong and the way out, and where it stands."""

    host: str
    text: str
    where: str


@dataclass(frozen=True)
class Subject:
    """One environment as the rules see it.

    + host: its inventory host
    + machine: what identifies the machine it lives on
    + environment: the model without the keys that are wrong by themselves: reading one raises AttributeError
    + sources: the file each key that is set stands in
    + home: the file that a key which is not set belongs in
    + ssh_user: whom SSH logs in as, if the data says so
    """

    host: str
    machine: tuple[str, int]
    environment: Environment
    sources: Mapping[str, str]
    home: str
    ssh_user: str | None = None

    def problem(self, key: str, text: str) -> Problem:
        """A problem with what a key says.

        + key: the key to change
        + text: what is wrong, why it matters, and the way out
        """
        return Problem(self.host, text, self.sources.get(key, self.home))

    def read(self, reader: Callable[[Environment], Iterable[T]]) -> Iterator[T]:
        """What a reader finds, up to the first key that is wrong by itself; that one is reported already.

        + reader: takes the environment
        """
        try:
            yield from reader(self.environment)
        except AttributeError:
            # With all keys there, it is a mistake in the reader.
            if vars(self.environment).keys() >= Environment.model_fields.keys():
                raise
