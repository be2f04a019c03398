"""The version of a release: one pattern for every place that reads one."""

import re

# mix release and Distillery make such versions, and a build appends its date, branch and revision. A version also names
# a directory, so it holds no slash and begins with no dot. templates/switch.j2 has the same pattern in bash.
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}")


def is_version(text: str) -> bool:
    """Whether a text can be the version of a release.

    + text: may come from a host or from a file, so it may be anything
    """
    return VERSION.fullmatch(text) is not None
