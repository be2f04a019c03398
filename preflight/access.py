"""Access to machines without questions: a key without a passphrase, sudo without a password.

pyinfra 3.10 asks for both, even if nobody is there to answer (`connectors/ssh_util.py` and `connectors/util.py`), and
shows a traceback for a missing key file.
"""

import os

from pyinfra.api import FactBase, Host, StringCommand
from pyinfra.api.exceptions import DeployError, PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate
from typing_extensions import override

# Names the file of the login key, if neither an ssh agent nor ~/.ssh holds it. (VAULT_IDENTITY_FILE is the key for vaults.)
VARIABLE = "SSH_IDENTITY_FILE"


class SudoAllowed(FactBase[bool]):
    """Whether the user of the connection can become root without a password."""

    @staticmethod
    @override
    def default() -> bool:
        return False

    @override
    def command(self) -> StringCommand:
        # sudo's output is hidden, because pyinfra would take it for a question and pass it on.
        return StringCommand("! sudo -n true 2>/dev/null || echo allowed")

    @override
    def process(self, output: list[str]) -> bool:
        return output == ["allowed"]


class AccessError(PyinfraError):
    """A key that cannot be used. It is a PyinfraError, because pyinfra shows only those without a traceback."""


def identity() -> dict[str, str]:
    """Host data for a login with the private key in the file of `SSH_IDENTITY_FILE`; empty if the variable is not set.

    Raises AccessError if the file is missing, holds no private key, or holds a key with a passphrase.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return {}
    try:
        # pyinfra will do the same, but it would ask.
        load_key_with_certificate(path, allow_prompt=False)
    except (PyinfraError, OSError, ValueError) as error:
        raise AccessError(f"{VARIABLE}: {_reason(str(error), path)}. Nothing was changed.") from None
    return {"ssh_key": path}


def _reason(error: str, path: str) -> str:
    if "is encrypted" in error:
        return f"{path} has a passphrase, and nobody may be there to type it: unset {VARIABLE} and use an ssh agent"
    if "No such private key file" in error:
        return f"there is no {path}: write the private key there, or unset {VARIABLE} to use an ssh agent or ~/.ssh"
    return f"{path} holds no private key that can be read: it must be the whole file that ssh-keygen made"


def require_sudo(host: Host) -> None:
    """Refuse a machine if sudo asks for a password there.

    + host: a connected host

    Raises DeployError.
    """
    if not host.get_fact(SudoAllowed, _sudo=False):
        user = host.data.get("ssh_user")
        raise DeployError(
            f"{host.name}: sudo wants a password of {user}, or refuses. As root on the machine: "
            f"echo '{user} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/{user}"
        )
