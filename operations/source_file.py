"""A file of an application's checkout. Plans hide the secrets in it."""

import re
from collections.abc import Generator
from io import StringIO

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.files import Directory

from operations.host.report import show_diff

# Values that may be secrets: texts and atoms, by the name of the setting, and a password in a URL.
_SECRETS = re.compile(
    r"""((?:-setcookie\s+|\b[A-Z_]*(?:COOKIE|SECRET|PASSWORD|TOKEN|KEY)=)(?!<%)|//[^/\s:@"]*:(?=[^/\s"]*@))[^\s@"]+"""
    r"""|(\b\w*(?:cookie|secret|password|token|api_key|salt)\w*:\s*)(?::?"[^"\n]*"|:\w+)"""
)


def hidden(text: str) -> str:
    """The text of a source file without the values of its secrets. The number of lines stays the same.

    + text: of the file
    """
    return _SECRETS.sub(lambda found: f"{found[1] or found[2]}(not shown)", text)


@operation()
def source_file(path: str, content: str) -> Generator[StringCommand | FileUploadCommand, None, None]:
    """Write a file of a checkout. `files.put` would show secrets near a change.

    + path: absolute
    + content: all of it
    """
    show_diff(path, content, hidden)
    directory = path.rpartition("/")[0]
    if not host.get_fact(Directory, path=directory):
        yield StringCommand("mkdir -p", QuoteString(directory))
    yield FileUploadCommand(StringIO(content), path, remote_temp_filename=host.get_temp_filename(path))
