"""The traces that an environment leaves on its machine: how each is recognised, and the command that removes it.

`operations/programs/leftovers.sh` lists them. It has the tests that are named here.
"""

from collections.abc import Callable
from typing import NamedTuple

from group_data.schema.environment import Environment
from operations.aliases import marker


class Trace(NamedTuple):
    """How one thing of an environment is recognised.

    + thing: what it is
    + name: its path or name; of an environment called "*", a pattern of all there are. "?" stands for a letter or digit
    + test: function of leftovers.sh that holds for ours alone
    + removal: shell command, in one line
    + shown: for people, when it is not the name
    + of_build: whether it is on the host that builds the environment, which may be another than the environment's
    + always: whether it is left over also where the environment exists
    """

    thing: str
    name: Callable[[Environment], str]
    test: str
    removal: Callable[[Environment], str]
    shown: Callable[[Environment], str] | None = None
    of_build: bool = False
    always: bool = False


def namesake(example: Environment, name: str) -> Environment:
    """The environment of the same application that has another name; with "*", patterns of its names.

    + example: any environment of the application
    + name: short name
    """
    # For its path: a certificate is recognised by being self-signed.
    return example.model_copy(update={"environment": name, "tls": "self_signed"})


def settings(program: str) -> str:
    """The file that holds the settings of one of our programs: beside it.

    + program: path
    """
    return f"{program}.conf"


def _begin(environment: Environment) -> str:
    return marker(environment).format(mark="BEGIN")


def _end(environment: Environment) -> str:
    return marker(environment).format(mark="END")


def _site(environment: Environment) -> str:
    return f"/etc/nginx/sites-available/{environment.full_name}"


def _unfinished(thing: str, path: Callable[[Environment], str], test: str = "file") -> Trace:
    """What operations/programs/stage_file.sh leaves if it is killed."""

    def staged(environment: Environment) -> str:
        return f"{path(environment)}.new.??????"

    return Trace(f"unfinished {thing}", staged, test, lambda e: f"rm -f {staged(e)}", always=True)


def _of_build(thing: str, path: Callable[[Environment], str]) -> Trace:
    return Trace(thing, path, "file", lambda e: f"rm {path(e)}", of_build=True)


# In the order in which they are best removed.
TRACES = (
    Trace(
        "unit",
        lambda e: e.unit_path,
        "ours",
        lambda e: f"systemctl disable --now {e.unit}; rm {e.unit_path}; systemctl daemon-reload",
    ),
    Trace(
        "release that was cut off",
        lambda e: e.progress_path,
        "is_cut_off",
        lambda e: f"systemctl start {e.boot_unit}",
        lambda e: f"in {e.environment}",
        always=True,
    ),
    Trace(
        "unit that ends a cut off release",
        lambda e: e.boot_unit_path,
        "ours",
        lambda e: f"systemctl disable --now {e.boot_unit}; rm {e.boot_unit_path}; systemctl daemon-reload",
    ),
    Trace(
        "port mapper's socket",
        lambda e: e.epmd_unit_paths[0],
        "ours",
        lambda e: f"systemctl disable --now {e.epmd_units[0]}; rm {e.epmd_unit_paths[0]}; systemctl daemon-reload",
    ),
    Trace(
        "port mapper",
        lambda e: e.epmd_unit_paths[1],
        "ours",
        lambda e: f"systemctl stop {e.epmd_units[1]}; rm {e.epmd_unit_paths[1]}; systemctl daemon-reload",
    ),
    Trace("release program", lambda e: e.switch_path, "file", lambda e: f"rm {e.switch_path}"),
    Trace(
        "settings of the release program",
        lambda e: settings(e.switch_path),
        "file",
        lambda e: f"rm {settings(e.switch_path)}",
    ),
    _of_build("build program", lambda e: e.build_program_path),
    _of_build("program that reads mix.exs", lambda e: e.project_program_path),
    _of_build("program that shows a build", lambda e: e.build_output_program_path),
    _of_build("program that gives Hex keys", lambda e: e.hex_program_path),
    _of_build("program that finds secrets", lambda e: e.secrets_program_path),
    _of_build("public keys of git servers", lambda e: e.known_hosts_path),
    _of_build("settings of the build program", lambda e: settings(e.build_program_path)),
    Trace("build directory", lambda e: e.build_path, "directory", lambda e: f"rm -r {e.build_path}", of_build=True),
    Trace("secret variables", lambda e: e.secret_variables_path, "ours", lambda e: f"rm {e.secret_variables_path}"),
    Trace("tarballs and backups", lambda e: e.state_path, "state", lambda e: f"rm -r {e.state_path}"),
    Trace("polkit rule", lambda e: e.polkit_rule_path, "ours", lambda e: f"rm {e.polkit_rule_path}"),
    Trace(
        "table of the port",
        lambda e: e.owner_table_path,
        "ours",
        lambda e: (
            f"rm {e.owner_table_path}; ! nft list table inet {e.owner_table} > /dev/null 2>&1 || "
            f"nft delete table inet {e.owner_table}"
        ),
    ),
    Trace("sudo rule", lambda e: e.sudo_rule_path, "ours", lambda e: f"rm {e.sudo_rule_path}"),
    Trace(
        "site",
        _site,
        "ours",
        # The links are where nginx of the machine reads its sites.
        lambda e: f"find /etc/nginx -lname {_site(e)} -delete; rm -f {_site(e)}; systemctl reload nginx",
    ),
    Trace(
        "site",
        lambda e: f"/etc/nginx/conf.d/{e.full_name}.conf",
        "ours",
        lambda e: f"rm -f /etc/nginx/conf.d/{e.full_name}.conf; systemctl reload nginx",
    ),
    Trace("password file", lambda e: e.htpasswd_path, "file", lambda e: f"rm {e.htpasswd_path}"),
    Trace("page", lambda e: f"{e.page_root}/502.html", "file", lambda e: f"rm -r {e.page_root}"),
    Trace("log of requests", lambda e: e.site_logs[0], "file", lambda e: f"rm {e.site_logs[0]}*"),
    Trace("log of nginx's errors", lambda e: e.site_logs[1], "file", lambda e: f"rm {e.site_logs[1]}*"),
    Trace(
        "self-signed certificate",
        lambda e: e.self_signed_path,
        "self_signed",
        lambda e: f"rm {e.self_signed_path}",
    ),
    Trace(
        "certificate of an authority",
        lambda e: e.renewal_path,
        "file",
        lambda e: f"certbot delete --non-interactive --cert-name {e.full_name}",
    ),
    Trace(
        "aliases",
        _begin,
        "block",
        lambda e: f"sudo -u {e.login} sed -i '/^{_begin(e)}$/,/^{_end(e)}$/d' {e.aliases_path}",
        lambda e: f"of {e.full_name}",
    ),
    Trace("secret file", lambda e: e.secret_path, "secrets", lambda e: f"rm {e.secret_path}"),
    _unfinished("secret file", lambda e: e.secret_path, "secrets"),
    _unfinished("password file", lambda e: e.htpasswd_path),
    _unfinished("cookie", lambda e: e.cookie_path),
    Trace("variables", lambda e: e.variables_path, "ours", lambda e: f"rm {e.variables_path}"),
    Trace("root directory", lambda e: e.cookie_path, "file", lambda e: f"rm -r {e.root}", lambda e: e.root),
    Trace("user of builds", lambda e: e.build_user, "user", lambda e: f"userdel {e.build_user}", of_build=True),
    # The user has the name of the group, which may go with it.
    Trace(
        "group",
        lambda e: e.group,
        "group",
        lambda e: (
            f"! getent passwd {e.user} > /dev/null || userdel {e.user}; "
            f"! getent group {e.group} > /dev/null || groupdel {e.group}"
        ),
    ),
    Trace("entry in the list of the machine", lambda e: e.entry_path, "ours", lambda e: f"rm {e.entry_path}"),
)
