"""Names and ports that belong to somebody else on every machine."""

from collections.abc import Mapping

# The unit or the release's own scripts set these. A second definition would silently win or lose.
RESERVED_VARIABLES = frozenset(
    "HOME PATH LANG PORT PHX_HOST PHX_SERVER MIX_ENV DEPLOYMENT_CONFIG APPSIGNAL_WORKING_DIRECTORY_PATH "
    "ERL_AFLAGS ERL_FLAGS ERL_ZFLAGS ERL_EPMD_ADDRESS ERL_EPMD_PORT REPLACE_OS_VARS RELEASE_NAME RELEASE_NODE "
    "RELEASE_DISTRIBUTION RELEASE_COOKIE RELEASE_TMP RELEASE_MUTABLE_DIR RELEASE_ROOT RELEASE_VSN RELEASE_REVISION "
    "APP_REVISION ERL_CRASH_DUMP".split()
)

# And these in a build: the build program, git, the shell and the loader read them.
BUILD_VARIABLES = frozenset(
    "REVISION BRANCH TAKEN MARK INCLUDE_ERTS INCLUDE_SRC BUILD_SECRETS RUNTIME_DIRECTORY CREDENTIALS_DIRECTORY "
    "MIX_HOME MIX_XDG MIX_ARCHIVES HEX_HOME ERL_LIBS USER LOGNAME SHELL TMPDIR PWD OLDPWD IFS ENV CDPATH UID EUID PPID "
    "SHELLOPTS GLOBIGNORE POSIXLY_CORRECT LINENO RANDOM SECONDS OPTARG OPTIND REPLY FUNCNAME DIRSTACK GROUPS "
    "PIPESTATUS PS4 LC_ALL".split()
)
BUILD_PREFIXES = ("GIT_", "SSH_", "LD_", "BASH", "XDG_", "PERL", "ELIXIR_", "ERL_", "RELEASE_", "SYSTEMD_")

# The sources of the variables that the project makes from settings and vault.
_SOURCES: Mapping[str, str] = {
    "DATABASE_URL": "the vault's database_password and the settings of the database",
    "SECRET_KEY_BASE": "the vault's secret_key_base",
    "APPSIGNAL_PUSH_API_KEY": "the vault's appsignal_push_api_key",
    "POOL_SIZE": "database_pool_size",
    "ECTO_IPV6": "database_host",
}


def source_of(variable: str) -> str:
    """The source of a variable that the project makes, as the end of a sentence.

    + variable: its name
    """
    return _SOURCES.get(variable, "the settings, or the release's own scripts set it")


# Unix users and groups of Debian 12 and 13 that are also a valid `Name`: from passwd.master and group.master of
# base-passwd, sysusers.d of systemd, and our packages (epmd, messagebus, polkitd, postgres).
SYSTEM_USERS = frozenset(
    "adm audio backup bin cdrom crontab daemon dialout dip disk epmd fax floppy games input irc kmem kvm list lp mail man "
    "messagebus news nobody nogroup operator plugdev polkitd postgres proxy render root sasl sgx shadow src sshd staff "
    "sudo sync sys tape tty users utmp uucp video voice".split()
)

EPMD_PORT = 4369

# Ports of an environment's node: one for its port mapper, one for the node, 30 for commands that ask it at the same time.
NODE_PORTS = 32

# TCP ports of other programs on every machine.
MACHINE_PORTS: Mapping[int, str] = {EPMD_PORT: "epmd", 5432: "PostgreSQL"}
