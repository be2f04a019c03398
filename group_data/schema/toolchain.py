"""The place of an environment's Elixir and Erlang on its build host."""

from hashlib import sha256

from group_data.schema.settings import Settings

DIRECTORY = "/opt/toolchains"

# Below /var/cache/private, with the first 12 digits of the name after it: the place where a toolchain is built.
SCRATCH = "deploy-toolchain-"

# Erlang without what a server never needs: graphics, Java, ODBC, a test server, and two protocols of telephone networks that
# take long to compile. A build with Debian's packages lacks the same.
_LEFT_OUT = "wx observer debugger et javac jinterface odbc common_test megaco diameter"
OPTIONS = tuple(f"--without-{name}" for name in _LEFT_OUT.split())


def directory(settings: Settings) -> str | None:
    """The directory of the toolchain; None for Debian's packages.

    Its name is a checksum: of the archive, or of all that decides about the content of a toolchain that the host builds, but
    the distribution, which a file in the directory names.

    + settings: of the environment
    """
    if settings.toolchain:
        return f"{DIRECTORY}/{settings.toolchain_sha256}"
    if not settings.elixir_version:
        return None
    erlang = [settings.erlang_version or "", settings.erlang_sha256 or ""]
    elixir = [settings.elixir_version, settings.elixir_sha256 or ""]
    recipe = " ".join(OPTIONS) if settings.erlang_version else ""
    everything = "\0".join([*erlang, *elixir, recipe])
    return f"{DIRECTORY}/{sha256(everything.encode()).hexdigest()}"
