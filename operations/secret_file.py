"""Files with secrets: the environment's cookie, and its secret file together with the password of the database role.

pyinfra's `files.put` uploads to a world-readable temporary file and prints contents with `--diff`. Here the content goes
over the SSH channel's standard input into a file that is private from its first byte.
"""

import hmac
from collections.abc import Generator, Iterable, Mapping
from hashlib import sha256

from pydantic import SecretStr
from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import File, Sha256File
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.secrets import REQUIRED_KEYS, Secrets
from operations import database
from operations.host import program
from operations.host.rendering import render
from operations.host.report import announce

# Stands among the keys for the rest of the file. No key of a vault has parentheses.
SETTINGS = "(settings)"

# Number of hex digits of an HMAC-SHA-256: 64 bits tell values apart, and reveal none.
DIGEST_DIGITS = 16


class SecretDigests(FactBase[Mapping[str, str]]):
    """The digests in a secret file, by key. They allow a comparison; only somebody with secret_key_base can compute them."""

    @staticmethod
    @override
    def default() -> Mapping[str, str]:
        return {}

    @override
    def command(self, path: str) -> StringCommand:
        return StringCommand("sed -n 's/^# digest //p'", QuoteString(path), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> Mapping[str, str]:
        return dict(line.split(" ", 1) for line in output if " " in line)


@operation()
def secret_file(path: str, content: str, key: str, user: str, group: str, mode: str) -> Generator[StringCommand]:
    """Write `content` to the file. No output, argument list or readable temporary file ever shows it.

    A digest finds the change. A diff names the key and nothing else.

    + path: of the file; its directory exists
    + key: key of the vault that the content comes from
    + content: the whole file with a newline at its end: pyinfra's standard input adds a missing one
    + user: owner
    + group: owning group
    + mode: octal permissions, e.g. "640"
    """
    difference = _difference(path, content, user, group, mode)
    if not difference:
        host.noop(f"{path} is as it should be")
        return
    if difference == CONTENT:
        difference = f"key {key} differs"
    announce(f"Will change {path}: {difference} (contents are not shown)")
    yield _install(path, content, f"{user}:{group}", mode)


@operation()
def secret_file_and_password(
    path: str, content: str, group: str, digests: Mapping[str, str], needs: str, role: str, password: SecretStr | None
) -> Generator[StringCommand]:
    """Write the secret file and set the role's password to the one in it: both change, or neither.

    First the new file is written beside the old one, then PostgreSQL gets the password, then the file is renamed. Its owner
    is root, its mode 0640.

    + path: of the secret file
    + content: the whole file
    + group: may read the file
    + digests: those in `content`, to name the keys that differ
    + needs: consequence of a changed file, e.g. "a running release restarts"
    + role: PostgreSQL role
    + password: password of the role; None if the database is managed elsewhere
    """
    difference = _difference(path, content, "root", group, "640")
    if difference == CONTENT:
        difference = f"{_differing_keys(host.get_fact(SecretDigests, path=path), digests)}; {needs}"
    statements = database.password_statements(role, password) if password else None
    if difference:
        announce(f"Will change {path}: {difference}")
        yield _install(path, content, f"root:{group}", "640", statements)
    elif statements:
        announce(f"Will change the password of PostgreSQL role {role}: it is not the vault's")
        yield StringCommand(database.PSQL_AS_POSTGRES, _stdin=f"{statements} COMMIT;")
    else:
        host.noop(f"{path} is as it should be")


def cookie(environment: Environment, secrets: Secrets) -> OperationMeta:
    """Write the Erlang cookie to the VM's usual place."""
    return secret_file(
        name="Erlang cookie",
        path=environment.cookie_path,
        content=f"{secrets.cookie.get_secret_value()}\n",
        key="cookie",
        user=environment.user,
        group=environment.user,
        # The VM refuses a cookie file that others can read.
        mode="400",
        # The application user writes the file: root would follow a link that this user made.
        _sudo_user=environment.user,
    )


def secret_file_and_database_password(environment: Environment, secrets: Secrets) -> OperationMeta:
    """The secret file of the release, and the database password in it."""
    digests = key_digests(environment, secrets)
    return secret_file_and_password(
        name="Secret file and database password",
        path=environment.secret_path,
        content=render("secret.exs.j2", environment=environment, secrets=secrets, digests=digests),
        group=environment.group,
        digests=digests,
        needs=environment.needed_by_changed_secrets,
        role=environment.database,
        password=secrets.database_password if environment.database_managed else None,
    )


CONTENT = "its content differs"


def _difference(path: str, content: str, user: str, group: str, mode: str) -> str | None:
    """The difference between a file and the data, in words. If the content differs, owner and mode are not mentioned."""
    current = host.get_fact(File, path=path)
    if not current:
        return "it is not there"
    if host.get_fact(Sha256File, path=path) != sha256(content.encode()).hexdigest():
        return CONTENT
    if (current["user"], current["group"], current["mode"]) != (user, group, int(mode)):
        return "its owner or mode differs"
    return None


def _install(path: str, content: str, owner: str, mode: str, statements: str | None = None) -> StringCommand:
    digest = sha256(content.encode()).hexdigest()
    name = "install_secret_with_password.sh" if statements else "install_secret.sh"
    given = [*([statements] if statements else []), digest, content]
    return StringCommand(program.command(name, path, owner, mode), _stdin="\n".join(given))


def key_digests(environment: Environment, secrets: Secrets) -> dict[str, str]:
    """A digest of each secret in the secret file, keyed with secret_key_base, and one of the rest of the file.

    + environment: owner of the file
    + secrets: its vault
    """
    values = {name: value.get_secret_value() for name, value in secrets if value is not None}
    # The file with keys in place of secrets shows which secrets the template uses, and the rest of the file.
    masked = _masked(environment, values)
    used = {name: value for name, value in values.items() if f"<{name}>" in masked}
    used[SETTINGS] = _masked(environment, REQUIRED_KEYS)
    key = secrets.secret_key_base.get_secret_value().encode()
    return {
        name: hmac.digest(key, f"{environment.full_name}\0{name}\0{value}".encode(), "sha256").hex()[:DIGEST_DIGITS]
        for name, value in used.items()
    }


def _masked(environment: Environment, names: Iterable[str]) -> str:
    """The secret file with names in angle brackets in place of secrets."""
    masks = Secrets.model_construct(None, **{name: SecretStr(f"<{name}>") for name in names})
    return render("secret.exs.j2", environment=environment, secrets=masks, digests={})


def _differing_keys(on_host: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """The keys that differ, as a phrase without values."""
    if on_host and on_host.get("secret_key_base") != wanted["secret_key_base"]:
        return "key secret_key_base differs, and only by it could the others be compared"
    differing = {name for name in on_host.keys() | wanted.keys() if on_host.get(name) != wanted.get(name)}
    said = [f"key {name} differs" for name in sorted(differing - {SETTINGS})]
    if SETTINGS in differing:
        said.append("what group data says in it differs")
    return ", ".join(said) or "it was changed by hand"
