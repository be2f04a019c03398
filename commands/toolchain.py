"""Build the Erlang and Elixir of the data on the build host.

`make build` does this, too. Without their checksums in group data it downloads them, and shows the lines to write.

Exit code 0: they are there, or the lines were shown. 1: refused or failed. 130: interrupted.
"""

from commands import options
from commands.build import build_host
from commands.deployment import HALF_TOOLCHAIN, Deployment, naming, on_interruption


@options.command(__doc__, options.DeployCommand)
@options.environment
def command(environment: str) -> None:
    """Build the toolchain."""
    half_done = naming(HALF_TOOLCHAIN, [environment])
    with on_interruption(half_done):
        host = build_host(environment)
    Deployment(
        "deploys/toolchain.py",
        half_done,
        [host],
        {"BUILD": environment},
        done=f"Toolchain of {environment} is there",
        comes_next=f"make build ENV={environment} uses it.",
    ).carry_out()


if __name__ == "__main__":
    command()
