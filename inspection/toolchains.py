"""Toolchains on a build host that no environment names any more."""

import re
from collections.abc import Iterable, Iterator

from group_data.schema.environment import Environment
from group_data.schema.toolchain import DIRECTORY, SCRATCH

# The name of a directory or an archive, of one that is being unpacked, and of the place where one is built. Any other name
# that a host says is not ours.
_NAME = re.compile(rf"([0-9a-f]{{64}})(?:\.tar\.gz|\.part)?|{re.escape(SCRATCH)}([0-9a-f]{{12}})")
_VERSIONS = re.compile(r"[0-9A-Za-z. -]{1,100}")


def unused(listed: Iterable[str], built: Iterable[Environment]) -> Iterator[tuple[str, str]]:
    """Names what is left over, with the command that removes it.

    + listed: lines of toolchains.sh on a machine
    + built: environments that are built on the machine
    """
    named = {path.rpartition("/")[2] for environment in built if (path := environment.toolchain_path)}
    found: dict[str, str] = {}
    for line in listed:
        name, _, versions = line.partition("\t")
        if not (match := _NAME.fullmatch(name)):
            continue
        key = match[1] or match[2]
        if not any(other.startswith(key) for other in named):
            shown = f" ({versions.strip()})" if _VERSIONS.fullmatch(versions) else ""
            found[key] = found.get(key) or shown
    for key, shown in found.items():
        if len(key) == 64:
            # The directory, its archive, and what is left of unpacking it.
            yield f"toolchain {key[:12]}{shown}", f"rm -rf {DIRECTORY}/{key}*"
        else:
            yield f"unfinished toolchain {key}", f"rm -rf /var/cache/private/{SCRATCH}{key} /var/cache/{SCRATCH}{key}"
