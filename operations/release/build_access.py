"""What a build gets of the vault: variables, and the deploy key. Nothing else gets them, and no file on a disk has them.

They go over standard input to run_build.sh, which hands them to systemd. docs/private-dependencies.md describes the uses.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations.host.rendering import environment_file_value
from vault.keys import shown
from vault.store import open_vault, vault_path

# The output of a build shows no line of a secret with so many characters. A shorter one would black out innocent text.
SHORTEST = 8

_MAGIC = b"openssh-key-v1\0"


def lacking(setting: str, path: Path, names: Sequence[str]) -> str:
    """The sentence about keys that the vault does not have.

    + setting: setting that names them
    + path: of the vault
    + names: the keys
    """
    return (
        f"{setting} names {', '.join(names)}, and {shown(path)} has no such key: `make vault-set ENV={path.stem} "
        f"KEY={names[0]}` stores a value"
    )


def problems(environment: Environment, secrets: Secrets, path: Path) -> Iterator[tuple[str, str]]:
    """Secrets of a build that are missing or cannot work: the setting, and a sentence without the value.

    + environment: owner of the vault
    + secrets: content of the vault
    + path: of the vault
    """
    there = secrets.variables
    if names := [name for name in dict.fromkeys(environment.build_secrets) if name not in there]:
        yield "build_secrets", lacking("build_secrets", path, names)
    for name in dict.fromkeys(environment.build_secrets):
        if name in there and max(map(len, there[name].get_secret_value().splitlines() or [""])) < SHORTEST:
            yield (
                "build_secrets",
                f"build_secrets: {name} in {shown(path)} has no line of {SHORTEST} characters: the output of a build could "
                "not hide it. If it is no secret, set it in build_commands",
            )
    for place, name in environment.build_git_tokens.items():
        if name in there and len(there[name].get_secret_value().splitlines()) > 1:
            yield (
                "build_git_tokens",
                f"build_git_tokens: {name} for {place} has several lines in {shown(path)}, and git takes one: store the "
                "token alone",
            )
    key = environment.build_deploy_key
    if key and key not in there:
        yield "build_deploy_key", lacking("build_deploy_key", path, [key])
    elif key and (reason := _unusable(there[key].get_secret_value())):
        yield "build_deploy_key", f"build_deploy_key: {key} in {shown(path)} {reason}"


def _unusable(key: str) -> str:
    """The reason why ssh cannot use a private key without a question; empty for a usable one."""
    lines = key.split()
    if "PRIVATE KEY-----" not in key:
        return "is no private key: store the file without .pub, which begins with -----BEGIN OPENSSH PRIVATE KEY-----"
    if "-----BEGIN OPENSSH PRIVATE KEY-----" not in key:
        return "" if "ENCRYPTED" not in key else _ENCRYPTED
    try:
        data = base64.b64decode("".join(line for line in lines[4:-4]), validate=True)
    except binascii.Error:
        data = b""
    if not data.startswith(_MAGIC):
        return "is damaged: store the whole file, with `make vault-set … < FILE`"
    # A length of four bytes, and the name of the cipher.
    return "" if data[len(_MAGIC) + 4 :].startswith(b"none") else _ENCRYPTED


_ENCRYPTED = 'has a passphrase, and a build cannot type it: make a key without one for this alone, ssh-keygen -N ""'


class Access:
    """The secrets of one build, for the standard input of run_build.sh."""

    def __init__(self, environment: Environment) -> None:
        """Opens the vault if the build needs any secret.

        + environment: environment of the build

        Raises DeployError when a secret is missing or cannot work, and VaultError like `open_vault`.
        """
        self.variables = self.key = ""
        if not (environment.build_secrets or environment.build_deploy_key):
            return
        path = vault_path(environment.vault_directory, environment.environment)
        secrets = open_vault(path, environment.vault_identity)
        if found := [text for _, text in problems(environment, secrets, path)]:
            raise DeployError(f"{'; '.join(found)}. Nothing was changed")
        there = {name: value.get_secret_value() for name, value in secrets.variables.items()}
        names = dict.fromkeys(environment.build_secrets)
        self.variables = "".join(f"{name}={environment_file_value(there[name])}\n" for name in names)
        if environment.build_deploy_key:
            # OpenSSH takes no key with carriage returns or without a newline at its end.
            self.key = "".join(f"{line}\n" for line in there[environment.build_deploy_key].strip().splitlines())

    def __repr__(self) -> str:
        """Without the secrets."""
        return "Access()"

    @property
    def sent(self) -> str:
        """The secrets as run_build.sh reads them: first a line with digest and bytes of each part, then the parts."""
        parts = [self.variables, self.key]
        sizes = " ".join(f"{sha256(part.encode()).hexdigest()} {len(part.encode())}" for part in parts)
        return f"{sizes}\n{''.join(parts)}"
