"""Erlang and Elixir on a build host: Debian's packages, an archive in the group data, or versions that it builds once."""

from collections.abc import Generator

import pyinfra
from pyinfra.api import FactBase, FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import Directory, FileContents
from pyinfra.operations import files
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.toolchain import DIRECTORY, OPTIONS
from operations.host import packages, program
from operations.host.report import announce
from operations.release.artifacts import FreeSpace

# Debian splits OTP off into packages. A mix.exs may name any of these applications, and so may its dependencies.
OTP = (
    "asn1", "crypto", "dev", "edoc", "eldap", "eunit", "ftp", "inets", "mnesia", "os-mon", "parsetools",
    "public-key", "runtime-tools", "snmp", "ssh", "ssl", "syntax-tools", "tftp", "tools", "xmerl",
)  # fmt: skip

_ERLANG = tuple(f"erlang-{name}" for name in OTP)

# rsync brings sources up to date. git is for dependencies from repositories, and for a mix.exs that asks it.
_SOURCES = ("git", "rsync")

# And a C compiler: `mix phx.gen.auth` brings bcrypt_elixir, which is C.
_TOOLS = (*_SOURCES, "gcc", "libc6-dev", "make")
PACKAGES = ("elixir", *_ERLANG, *_TOOLS)

# For downloads, and for compiling Erlang: its JIT is C++, its crypto needs OpenSSL, its shell ncurses, its makefiles perl.
_DOWNLOAD = ("ca-certificates", "curl")
_UNPACK = {".zip": "unzip", ".xz": "xz-utils"}
_COMPILE = ("g++", "libncurses-dev", "libssl-dev", "perl")

# The first number of Debian's Erlang, and its Elixir where the host has no package lists yet.
_DEBIAN_OTP = {"Debian 12": "25", "Debian 13": "27"}
_DEBIAN_ELIXIR = {"Debian 12": "1.14.0", "Debian 13": "1.18.3"}

# Seconds: Erlang takes 8 minutes on two idle processors.
PATIENCE = 3 * 3600

# MiB that Erlang and Elixir take while they are compiled, and then.
_SPACE = {"erlang": (1700, 250), "elixir": (200, 50)}


class ElixirVersion(FactBase[str | None]):
    """The version of the Elixir that a build would find on the host, or that apt would install; None if it is unknown.

    + path: the beginning of PATH
    """

    @staticmethod
    @override
    def default() -> None:
        return None

    @override
    def command(self, path: str) -> StringCommand:
        return program.command("elixir_version.sh", path)

    @override
    def process(self, output: list[str]) -> str | None:
        return output[0] if output else None


def install(environment: Environment, distribution: str) -> None:
    """Install Elixir and Erlang on the build host, if they are not there.

    + environment: environment of the build
    + distribution: of the host, such as Debian 12

    Raises DeployError when a checksum is not set, or the host has too little space for building them.
    """
    _require_checksums(environment)
    if environment.elixir_version:
        _versions(environment, distribution)
    elif environment.toolchain:
        _archive(environment)
    else:
        packages.install([*PACKAGES, *environment.build_packages], "Build")


def search_path(environment: Environment) -> str:
    """The beginning of PATH in a build: the toolchain's programs with a colon, or nothing.

    + environment: environment of the build
    """
    return f"{environment.toolchain_path}/bin:" if environment.toolchain_path else ""


def elixir(environment: Environment, distribution: str) -> tuple[str, str] | None:
    """The version of Elixir that a build will have, and the words for its origin; None if it is unknown before the build.

    + environment: environment of the build
    + distribution: of the build host
    """
    if environment.elixir_version:
        return environment.elixir_version, "elixir_version"
    if environment.toolchain and not pyinfra.host.get_fact(Directory, path=environment.toolchain_path):
        return None
    known: str | None = pyinfra.host.get_fact(ElixirVersion, path=search_path(environment))
    if environment.toolchain:
        return (known, "the archive of toolchain") if known else None
    known = known or _DEBIAN_ELIXIR.get(distribution)
    return (known, f"this host's, {distribution}") if known else None


def checksums(environment: Environment, distribution: str) -> bool:
    """Plan to show the lines of group data for checksums that are not set. Returns whether one is not set.

    + environment: environment of the build
    + distribution: of the host
    """
    if not _unset(environment):
        return False
    packages.install(_downloaders(environment), "Toolchain")
    _build(name="Toolchain: checksums", environment=environment, distribution=distribution)
    return True


def title(environment: Environment) -> str:
    """The versions that the group data names, such as Erlang 27.3.4 and Elixir 1.18.4.

    + environment: environment of the build
    """
    erlang = f"Erlang {environment.erlang_version} and " if environment.erlang_version else ""
    return f"{erlang}Elixir {environment.elixir_version}"


def _unset(environment: Environment) -> list[str]:
    return [
        f"{name}_sha256"
        for name in ("erlang", "elixir")
        if getattr(environment, f"{name}_version") and not getattr(environment, f"{name}_sha256")
    ]


def _require_checksums(environment: Environment) -> None:
    if unset := _unset(environment):
        raise DeployError(
            f"{environment.environment} has no {' and no '.join(unset)}: make toolchain ENV={environment.environment} shows "
            "the lines to write. Nothing was changed."
        )


def _archive(environment: Environment) -> None:
    packages.install([*_SOURCES, *environment.build_packages], "Build")
    there = str(environment.toolchain_path)
    archive = f"{there}.tar.gz"
    _place()
    files.download(
        name="Build: toolchain",
        src=str(environment.toolchain),
        dest=archive,
        sha256sum=environment.toolchain_sha256,
        user="root",
        group="root",
        mode="644",
    )
    _unpack(name="Build: toolchain unpacked", archive=archive, directory=there)


def _versions(environment: Environment, distribution: str) -> None:
    there = _is_there(environment, distribution)
    if not there:
        _require_space(environment)
    needed = _COMPILE if environment.erlang_version else _ERLANG
    packages.install([*_TOOLS, *_downloaders(environment), *needed, *environment.build_packages], "Build")
    _place()
    _build(name=f"Build: {title(environment)}", environment=environment, distribution=distribution)


def _downloaders(environment: Environment) -> list[str]:
    sources = (environment.erlang_source if environment.erlang_version else "", environment.elixir_source)
    return [*_DOWNLOAD, *(name for end, name in _UNPACK.items() if any(source.endswith(end) for source in sources))]


def _place() -> None:
    files.directory(name="Build: directory of toolchains", path=DIRECTORY, user="root", group="root", mode="755")


@operation()
def _unpack(archive: str, directory: str) -> Generator[StringCommand]:
    if pyinfra.host.get_fact(Directory, path=directory):
        pyinfra.host.noop("the toolchain is unpacked")
        return
    yield program.command("unpack_toolchain.sh", archive, directory)


def _is_there(environment: Environment, distribution: str) -> bool:
    names: object = pyinfra.host.get_fact(FileContents, path=f"{environment.toolchain_path}/distribution")
    return names == [distribution]


def _require_space(environment: Environment) -> None:
    space = pyinfra.host.get_fact(FreeSpace, paths=("/var/cache", "/opt"), going=())
    names = ("erlang", "elixir") if environment.erlang_version else ("elixir",)
    needed: dict[str, int] = {}
    for number, path in enumerate(("/var/cache", "/opt")):
        system = space[path][0]
        needed[system] = needed.get(system, 0) + sum(_SPACE[name][number] for name in names)
    for system, free in space.values():
        if free < needed[system] * 1024**2:
            raise DeployError(
                f"{title(environment)} must be built first, which needs {needed[system]} MiB on {system}, and "
                f"{free // 1024**2} MiB are free. Nothing was changed."
            )


@operation()
def _build(environment: Environment, distribution: str) -> Generator[FunctionCommand]:
    if not _unset(environment) and _is_there(environment, distribution):
        pyinfra.host.noop(f"{title(environment)} is there")
        return
    if not _unset(environment):
        long = "about ten minutes on two processors" if environment.erlang_version else "less than two minutes"
        announce(f"Will first build {title(environment)} on this host, once, which takes {long}")
    otp = (environment.erlang_version or _DEBIAN_OTP.get(distribution, "")).partition(".")[0]
    variables = {"ERLANG_OPTIONS": " ".join(OPTIONS)}
    for name in ("erlang", "elixir"):
        version = getattr(environment, f"{name}_version") or ""
        variables |= {
            f"{name.upper()}_VERSION": version,
            f"{name.upper()}_URL": getattr(environment, f"{name}_source").format(version=version, otp=otp),
            f"{name.upper()}_SHA256": getattr(environment, f"{name}_sha256") or "",
        }
    arguments = [str(environment.toolchain_path), distribution, program.text("build_toolchain.sh"), str(PATIENCE)]
    words = [f"{name}={value}" for name, value in variables.items()]
    yield FunctionCommand(_run, [program.command("run_toolchain.sh", *arguments, *words)], {})


def _run(state: State, host: Host, command: StringCommand) -> bool:
    succeeded, _ = host.run_shell_command(command, print_output=True, _sudo=True)
    return succeeded
