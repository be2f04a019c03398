"""Files with secrets: the environment's cookie, and its secret file and variables together with the database password.

pyinfra's `files.put` uploads to a world-readable temporary file and prints contents with `--diff`. Here the content goes
over the SSH channel's standard input into a file that is private from its first byte.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import SecretStr
from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files as pyinfra_files

from group_data.schema.environment import Environment
from group_data.schema.secrets import REQUIRED_KEYS, Secrets
from operations import database, secret_variables
from operations.host import file, program
from operations.host.file import CONTENT, difference_of
from operations.host.rendering import render
from operations.host.report import announce
from operations.secret_digests import KEY, SETTINGS, SecretDigests, differing, digests_of


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
    if _is_otherwise(path, content, key, user, group, mode):
        yield file.install(path, content, f"{user}:{group}", mode)


@operation()
def cookie_file(path: str, content: str, user: str, unit_path: str) -> Generator[StringCommand]:
    """Write the cookie. No output, argument list or readable temporary file ever shows it, and a digest finds the change.

    It is written in the application's sandbox: root would follow a link that the application made in its directory.

    + path: of the file; its directory exists
    + content: the whole file with a newline at its end: pyinfra's standard input adds a missing one
    + user: owner, whose group has the same name
    + unit_path: file of the application's unit
    """
    # The VM refuses a cookie file that others can read.
    mode = "400"
    if _is_otherwise(path, content, "cookie", user, user, mode):
        put = program.words("install_file.sh", path, f"{user}:{user}", mode)
        yield StringCommand(program.command("beside_release.sh", unit_path, *put), _stdin=file.sent(content))


def _is_otherwise(path: str, content: str, key: str, user: str, group: str, mode: str) -> bool:
    difference = difference_of(path, content, user, group, mode)
    if not difference:
        host.noop(f"{path} is as it should be")
        return False
    if difference == CONTENT:
        difference = f"key {key} differs"
    announce(f"Will change {path}: {difference} (contents are not shown)")
    return True


class SecretFile(NamedTuple):
    """A file of secrets that root owns.

    + path: of the file; its directory exists
    + content: the whole file, with a newline at its end
    + group: owning group
    + mode: octal permissions, e.g. "640"
    + digests: those in `content`, to name what differs
    + noun: what a name among the digests is: "key" or "variable"
    """

    path: str
    content: str
    group: str
    mode: str
    digests: Mapping[str, str]
    noun: str

    @property
    def owner(self) -> str:
        """Owner and group."""
        return f"root:{self.group}"


@operation()
def secret_files_and_password(
    files: Sequence[SecretFile], needs: str, role: str, port: int, password: SecretStr | None
) -> Generator[StringCommand]:
    """Write files of secrets and set the role's password to the one in them: all of it changes, or nothing.

    First the new files are written beside the old ones, then PostgreSQL gets the password, then the files are renamed.

    + files: the files
    + needs: consequence of a changed file, e.g. "a running release restarts"
    + role: PostgreSQL role
    + port: of PostgreSQL
    + password: password of the role; None if the database is managed elsewhere, or no file has the password
    """
    changed = []
    for one in files:
        if difference := difference_of(one.path, one.content, "root", one.group, one.mode):
            if difference == CONTENT:
                difference = f"{differing(host.get_fact(SecretDigests, path=one.path), one.digests, one.noun)}; {needs}"
            announce(f"Will change {one.path}: {difference}")
            changed.append(one)
    statements = database.password_statements(role, password, port) if password else None
    if changed:
        yield _install(changed, statements, port)
    elif statements:
        announce(f"Will change the password of PostgreSQL role {role}: it is not the vault's")
        yield StringCommand(database.psql_as_postgres(port), _stdin=f"{statements} COMMIT;")
    else:
        host.noop(f"{' and '.join(one.path for one in files)}: as it should be")


def cookie(environment: Environment, secrets: Secrets) -> OperationMeta:
    """Write the Erlang cookie to the VM's usual place."""
    return cookie_file(
        name="Erlang cookie",
        path=environment.cookie_path,
        content=f"{secrets.cookie.get_secret_value()}\n",
        user=environment.user,
        unit_path=environment.unit_path,
    )


def secret_file_and_database_password(environment: Environment, secrets: Secrets) -> list[OperationMeta]:
    """The secret file of the release, its secret variables, and the database password in both.

    Returns the steps that make a running application out of date.
    """
    changed = [_exs_file(environment, secrets)]
    if environment.secrets_read_at_start:
        changed.append(variables_file(environment, secrets))
    together = secret_files_and_password(
        name="Secret file and database password",
        files=changed,
        needs=environment.needed_by_changed_secrets,
        role=environment.database,
        port=environment.database_port,
        password=secrets.database_password if environment.database_managed else None,
    )
    if environment.secrets_read_at_start:
        return [together]
    # A Distillery release has its secret file built in, and reads variables at start.
    if environment.has_secret_variables:
        return [
            secret_files_and_password(
                name="Secret variables",
                files=[variables_file(environment, secrets)],
                needs="a running release restarts",
                role=environment.database,
                port=environment.database_port,
                password=None,
            )
        ]
    pyinfra_files.file(name="Secret variables: none", path=environment.secret_variables_path, present=False)
    return []


def _exs_file(environment: Environment, secrets: Secrets) -> SecretFile:
    digests = key_digests(environment, secrets)
    content = render("secret.exs.j2", environment=environment, secrets=secrets, digests=digests)
    return SecretFile(environment.secret_path, content, environment.group, "640", digests, "key")


def variables_file(environment: Environment, secrets: Secrets) -> SecretFile:
    """The file of the secret variables.

    + environment: owner of the file
    + secrets: its vault
    """
    variables = secret_variables.values(environment, secrets)
    digests = digests_of(environment, secrets, {**variables, KEY: ""})
    content = secret_variables.text(environment, variables, digests)
    return SecretFile(environment.secret_variables_path, content, "root", "600", digests, "variable")


def _install(files: Sequence[SecretFile], statements: str | None, port: int) -> StringCommand:
    arguments = [argument for one in files for argument in (one.path, one.owner, one.mode)]
    given = "".join([f"{statements or ''}\n", *[file.sent(one.content) for one in files]])
    return StringCommand(program.command("install_secrets.sh", str(port), *arguments), _stdin=given)


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
    return digests_of(environment, secrets, used)


def _masked(environment: Environment, names: Iterable[str]) -> str:
    """The secret file with names in angle brackets in place of secrets."""
    masks = Secrets.model_construct(None, **{name: SecretStr(f"<{name}>") for name in names})
    return render("secret.exs.j2", environment=environment, secrets=masks, digests={})
