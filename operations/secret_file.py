"""Files that hold secrets: the environment's secret file and its Erlang cookie.

pyinfra's `files.put` uploads to a world-readable temporary file and prints contents with `--diff`. Here the content goes
over the SSH channel's standard input into a file that is private from its first byte.
"""

from collections.abc import Generator
from hashlib import sha256

from pyinfra import host, logger, state
from pyinfra.api import QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import File, Sha256File

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations.rendering import render

# $1: file, $2: owner, $3: mode; standard input: a line with the SHA-256 of the content, and the content. A connection that
# breaks in the middle ends the input early: the digest keeps half a file from taking the place of the whole one. It is
# no argument, because every local user reads those and could try words on it.
INSTALL = """\
set -eu
umask 077
new=$(mktemp "$1.XXXXXX")
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
read -r digest || true
cat > "$new"
echo "$digest  $new" | sha256sum --check --status 2>/dev/null || {
    echo "the content of $1 did not arrive whole: the file is as it was, apply again" >&2
    exit 1
}
chown "$2" "$new"
chmod "$3" "$new"
mv -fT "$new" "$1"
"""


@operation()
def secret_file(path: str, content: str, user: str, group: str, mode: str) -> Generator[StringCommand]:
    """The file holds `content`, and no output, argument list or temporary file ever shows it.

    Change is found by digest; a diff says that the content differs and nothing else.

    + path: of the file; its directory exists
    + content: the whole file, ending in a newline: pyinfra's standard input adds one where it is missing
    + user: owner
    + group: owning group
    + mode: octal permissions, e.g. "640"
    """
    digest = sha256(content.encode()).hexdigest()
    current = host.get_fact(File, path=path)
    same_content = bool(current) and host.get_fact(Sha256File, path=path) == digest
    if same_content and current and (current["user"], current["group"], current["mode"]) == (user, group, int(mode)):
        host.noop(f"{path} is as it should be")
        return
    if state.config.DIFF and not state.is_executing:
        what = "create" if not current else "change owner or mode of" if same_content else "change secrets in"
        host.log(f"Will {what} {path} (contents are not shown)", logger.info)
    yield StringCommand(
        "sh -c",
        QuoteString(INSTALL),
        "sh",
        QuoteString(path),
        QuoteString(f"{user}:{group}"),
        mode,
        _stdin=f"{digest}\n{content}",
    )


def environment_secrets(environment: Environment, secrets: Secrets) -> list[OperationMeta]:
    """Secret file and cookie are on the host; returns the steps after which the running release is out of date.

    A mix release reads the secret file when it starts, a Distillery release when it is built.
    """
    secret = secret_file(
        name="Secret file",
        path=environment.secret_path,
        content=render("secret.exs.j2", environment=environment, secrets=secrets),
        user="root",
        group=environment.group,
        mode="640",
    )
    cookie = secret_file(
        name="Erlang cookie",
        path=environment.cookie_path,
        content=f"{secrets.cookie.get_secret_value()}\n",
        user=environment.user,
        group=environment.user,
        # The VM refuses a cookie file that anybody else could read.
        mode="400",
        # Written as the application user, so that root never follows a link this user made.
        _sudo_user=environment.user,
    )
    return [cookie, secret] if environment.secrets_read_at_start else [cookie]
