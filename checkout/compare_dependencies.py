"""Dependencies from private places of Hex, for which a build needs a key."""

import re
from collections.abc import Iterator

from checkout.difference import Compared
from checkout.files import Read
from group_data.schema.environment import Environment

# An entry of mix.lock ends with the repository and a checksum. Mix writes one a line.
_ENTRY = re.compile(r'^ *"\w+": \{:hex, .*, "([a-z][a-z0-9_-]*(?::[a-z][a-z0-9_-]*)?)", "[0-9a-f]{64}"\},?$')


def compare(read: Read, environment: Environment) -> Iterator[Compared]:
    """Each private organization or repository in mix.lock once that group data does not name.

    + read: reads a file of the checkout
    + environment: to compare with
    """
    known = {"hexpm", *environment.build_hex_repositories, *(f"hexpm:{n}" for n in environment.build_hex_organizations)}
    for number, line in enumerate((read("mix.lock") or "").splitlines(), 1):
        found = _ENTRY.match(line)
        if found and found[1] not in known:
            known.add(found[1])
            organization = found[1].removeprefix("hexpm:")
            setting = "build_hex_organizations" if organization != found[1] else "build_hex_repositories"
            hint = f"name it in {setting} in group_data/all.py: docs/private-dependencies.md"
            yield Compared("source of dependencies", organization, "no key for it", "mix.lock", number, hint)
