"""Access to machines without questions: a key without a passphrase, sudo without a password.

pyinfra 3.10 asks for both, even if nobody is there to answer (`connectors/ssh_util.py` and `connectors/util.py`), and
shows a traceback for a missing key file. Who asks for it with pyinfra's options types sudo's password once for each machine.
"""

import getpass
import os
import sys
from functools import cache

from paramiko import SSHException
from pyinfra import config
from pyinfra.api import FactBase, Host, StringCommand
from pyinfra.api.exceptions import DeployError, PyinfraError
from typing_extensions import override

from connectors.keys import load
from connectors.openssh import user_of
from connectors.terminal import shown
from operations.host import program

# Names the file of the login key, if neither an ssh agent nor ~/.ssh holds it. (VAULT_IDENTITY_FILE is the key for vaults.)
VARIABLE = "SSH_IDENTITY_FILE"

# sudo's words, and those of sudo-rs, where it would ask for a password.
_ASKS = ("a password is required", "authentication is required")
_SILENT = "it did not answer"

# Debian's own.
_SECURE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# With a terminal. pyinfra gives the password to sudo in a variable, which users of the host may see in the process list.
_TYPED = ".venv/bin/pyinfra inventory.py deploy.py --limit {} --same-sudo-password"


class RootRefused(FactBase[str | None]):
    """Why the user of the connection cannot act as root without a question: sudo's words. None if they can."""

    @staticmethod
    @override
    def default() -> str | None:
        return _SILENT

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
        load(path)
    except (PyinfraError, SSHException, OSError, ValueError) as error:
        raise AccessError(f"{VARIABLE}: {_reason(str(error), path)}. Nothing was changed.") from None
    return {"ssh_key": path}


def _reason(error: str, path: str) -> str:
    if "is encrypted" in error:
        return f"{path} has a passphrase, and nobody may be there to type it: unset {VARIABLE} and use an ssh agent"
    if "No such private key file" in error:
        return f"there is no {path}: write the private key there, or unset {VARIABLE} to use an ssh agent or ~/.ssh"
    return f"{path} holds no private key that can be read: it must be the whole file that ssh-keygen made"


def require_sudo(host: Host) -> None:
    """Refuse a machine if its user cannot become root there, and say why.

    Nobody is asked for a password, unless pyinfra was started with --same-sudo-password or --use-sudo-password.

    + host: a connected host

    Raises DeployError.
    """
    words = root_refused(host)
    if words and any(asks in words for asks in _ASKS) and (password := _password(_user(host), _machine(host))):
        # pyinfra takes it from here for everything that it runs.
        host.connector_data["prompted_sudo_password"] = password
        succeeded, _ = host.run_shell_command(StringCommand("true"), _sudo=True)
        words = None if succeeded else "the password is not the right one"
    if words:
        raise DeployError(f"{host.name}: {refusal(words, _user(host), host.name)}")


def root_refused(host: Host) -> str | None:
    """Why the user of the connection cannot become root without a question, in the host's words. None if they can.

    + host: a connected host
    """
    # A login shell that runs no command has any exit code.
    words = host.get_fact(RootRefused, _sudo=False, _success_exit_codes=range(256))
    instead = getattr(getattr(host.connector, "client", None), "said_instead", "")
    return f"{_SILENT}: {shown(instead)}" if words == _SILENT and instead else words


def refusal_of(host: Host) -> str | None:
    """The sentence for people, with the way out; None if the user of the connection can become root.

    + host: a connected host
    """
    words = root_refused(host)
    return refusal(words, _user(host), host.name) if words else None


def _user(host: Host) -> str:
    way = getattr(getattr(host.connector, "client", None), "way", None)
    return way.user if way else user_of(host.data.dict(), _machine(host))


def _machine(host: Host) -> str:
    return str(host.data.get("ssh_hostname") or host.name)


@cache
def _password(user: str, machine: str) -> str | None:
    """The password for sudo; None if pyinfra was not asked to use one, or nobody is there to type it."""
    if config.SUDO_PASSWORD:
        return str(config.SUDO_PASSWORD)
    # pyinfra 3.10 has the option, and keeps it nowhere.
    if "--use-sudo-password" not in sys.argv or not sys.stdin.isatty():
        return None
    return getpass.getpass(f"sudo password of {user} on {machine}: ")


def refusal(words: str, user: str, environment: str) -> str:
    """Why a user cannot become root, and what to do as root on the machine.

    + words: of sudo
    + user: of the connection
    + environment: short name, for a command
    """
    # sudo passes over files with a dot in their names.
    file = f"/etc/sudoers.d/{user.replace('.', '_')}"
    rule = f"As root on the machine: echo '{user} ALL=(ALL) NOPASSWD:ALL' > {file}"
    if "is not installed" in words:
        return f"sudo is not installed, and {user} is not root. As root on the machine: apt-get install sudo. {rule}"
    if any(asks in words for asks in _ASKS):
        return f"sudo wants a password of {user}. {rule}. Or type it: {_TYPED.format(environment)}"
    if "not the right one" in words:
        return f"the password is not the right one for sudo of {user}: run it again"
    if words.startswith(_SILENT):
        said = words.removeprefix(_SILENT).removesuffix(".")
        return (
            f"the login shell of {user} runs no command{said}. As root on the machine: chsh -s /bin/bash {user}, and look "
            f"at ~{user}/.bashrc and for ForceCommand in /etc/ssh/sshd_config"
        )
    if words.startswith("secure_path "):
        return (
            f"sudo of {user} looks for programs in {words.removeprefix('secure_path ')} alone, and those of administration "
            f"are in /usr/sbin. As root on the machine: echo 'Defaults:{user} secure_path={_SECURE_PATH}' > {file}-path"
        )
    if "must have a tty" in words:
        return (
            "sudo serves terminals alone (requiretty in sudoers), and commands here have none. As root on the machine: "
            f"echo 'Defaults:{user} !requiretty' > {file}-tty"
        )
    if "not in the sudoers" in words or "may not run" in words or "not allowed" in words:
        return f"{user} may not use sudo. {rule}"
    return f"sudo does not work for {user}: {words}"
