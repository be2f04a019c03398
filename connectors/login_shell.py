"""Command lines that every login shell reads as sh does. Knows neither gevent nor paramiko.

sshd hands a line to the user's login shell. Within quotes, shells of csh's kind take a new line for the end and an
exclamation mark for a reference to another command, and fish takes two backslashes for one: a program would arrive changed.
"""

import base64
import re

_READ_OTHERWISE = re.compile(r"[\n\\!]")

# Bytes. Linux takes an argument of 128 KiB at most, and base64 makes three bytes to four. No line that is sent is longer.
_LONGEST = 90 * 1024


def portable(line: str) -> str:
    """A line for a login shell of any kind, which has sh run the given one.

    + line: for sh
    """
    if not _READ_OTHERWISE.search(line) or len(line.encode()) > _LONGEST:
        return line
    text = base64.b64encode(line.encode()).decode()
    return f"exec sh -c 'eval \"$(echo {text} | base64 -d)\"'"
