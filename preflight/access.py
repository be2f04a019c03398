"""Access to machines without questions: a key without a passphrase, sudo without a password.

pyinfra 3.10 asks for both, even if nobody is there to answer (`connectors/ssh_util.py` and `connectors/util.py`), and
shows a traceback for a missing key file.
"""

import os

from pyinfra.api import FactBase, Host, StringCommand
from pyinfra.api.exceptions import DeployError, PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate
from typing_extensions import override

from operations.host import program

# Names the file of the login key, if neither an ssh agent nor ~/.ssh holds it. (VAULT_IDENTITY_FILE is the key for vaults.)
VARIABLE = "SSH_IDENTITY_FILE"


class RootRefused(FactBase[str | None]):
    """Why the user of the connection cannot act as root without a question: sudo's words. None if they can."""

    @staticmethod
    @override
    def default() -> str | None:
        return "it did not answer"

    @override
    def command(self) -> StringCommand:
        return program.command("root_access.sh")

    @override
    def process(self, output: list[str]) -> str | None:
        return None if output == ["allowed"] else " ".join(output).removeprefix("refused ").strip()


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
    """Refuse a machine if its user cannot become root without a question there, and say why.

    + host: a connected host

    Raises DeployError.
    """
    if words := host.get_fact(RootRefused, _sudo=False):
        raise DeployError(f"{host.name}: {refusal(words, host.data.get('ssh_user') or 'the user of the connection')}")


def refusal(words: str, user: str) -> str:
    """Why a user cannot become root, and what to do as root on the machine.

    + words: of sudo
    + user: of the connection
    """
    rule = f"As root on the machine: echo '{user} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/{user}"
    if "is not installed" in words:
        return f"sudo is not installed, and {user} is not root. As root on the machine: apt-get install sudo. {rule}"
    if "a password is required" in words or "authentication is required" in words:
        return f"sudo wants a password of {user}. {rule}"
    if "must have a tty" in words:
        return (
            "sudo serves terminals alone (requiretty in sudoers), and commands here have none. As root on the machine: "
            f"echo 'Defaults:{user} !requiretty' > /etc/sudoers.d/{user}-tty"
        )
    if "not in the sudoers" in words or "may not run" in words or "not allowed" in words:
        return f"{user} may not use sudo. {rule}"
    return f"sudo does not work for {user}: {words}"
