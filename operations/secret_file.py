"""Files that hold secrets: the environment's secret file, whose database password changes with the role's, and its cookie.

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

# What the file says besides secrets, among the names of keys: no key of a vault has parentheses.
SETTINGS = "(settings)"

# The first hex digits of an HMAC-SHA-256; 64 bits tell values apart, and lead back to none.
DIGEST_DIGITS = 16


class SecretDigests(FactBase[Mapping[str, str]]):
    """The digests a secret file carries, by key: they serve to compare, and only who knows secret_key_base can make them."""

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
    """The file holds `content`, and no output, argument list or temporary file ever shows it.

    Change is found by digest; a diff says that the key differs and nothing else.

    + path: of the file; its directory exists
    + key: of the vault, which the content is made of
    + content: the whole file, ending in a newline: pyinfra's standard input adds one where it is missing
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
    """The secret file holds `content`, and the role logs in with the password in it: both change, or neither.

    The password goes to PostgreSQL once the new file lies beside the old one, and the file takes its place once
    PostgreSQL has it. Owner is root, mode 0640.

    + path: of the secret file
    + content: all of it
    + group: that may read it
    + digests: those in `content`, to say which keys differ
    + needs: what a changed file asks for, e.g. "a running release restarts"
    + role: the PostgreSQL role
    + password: what it logs in with; None where the database is managed elsewhere
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
    """The Erlang cookie is where the VM looks for it."""
    return secret_file(
        name="Erlang cookie",
        path=environment.cookie_path,
        content=f"{secrets.cookie.get_secret_value()}\n",
        key="cookie",
        user=environment.user,
        group=environment.user,
        # The VM refuses a cookie file that anybody else could read.
        mode="400",
        # Written as the application user, so that root never follows a link this user made.
        _sudo_user=environment.user,
    )


def secret_file_and_database_password(environment: Environment, secrets: Secrets) -> OperationMeta:
    """What the release knows, and the password PostgreSQL takes from it."""
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
    """In what a file is not as it should be; owner and mode are not worth a word where the content differs as well."""
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
    """A digest of each secret in the secret file, keyed with secret_key_base, and one of everything else in the file.

    + environment: whose file
    + secrets: its vault
    """
    values = {name: value.get_secret_value() for name, value in secrets if value is not None}
    # What the template makes of the keys' names tells which of the secrets it uses, and what else the file says.
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
    """Which keys differ, as a phrase that holds none of their values."""
    if on_host and on_host.get("secret_key_base") != wanted["secret_key_base"]:
        return "key secret_key_base differs, and only by it could the others be compared"
    differing = {name for name in on_host.keys() | wanted.keys() if on_host.get(name) != wanted.get(name)}
    said = [f"key {name} differs" for name in sorted(differing - {SETTINGS})]
    if SETTINGS in differing:
        said.append("what group data says in it differs")
    return ", ".join(said) or "it was changed by hand"
