"""The commands of the two release tools, in one table."""

from typing import NamedTuple


class ReleaseTool(NamedTuple):
    """Arguments of a release's `bin/<release>`, and the command that builds a release.

    + start: runs in the foreground, as systemd requires
    + console: opens a shell inside the running node
    + ping: succeeds if the node answers
    + eval: runs Elixir in a new VM without starting the application
    + rpc: runs Elixir in the running node
    + build: builds a release of {version} for {environment}; runs in the checkout
    + assembled: directory of the built release, relative to the checkout
    """

    start: str
    console: str
    ping: tuple[str, ...]
    eval: str
    rpc: str
    build: str
    assembled: str


RELEASE_TOOLS: dict[str, ReleaseTool] = {
    # mix release has no ping: https://hexdocs.pm/mix/Mix.Tasks.Release.html#module-running-the-release.
    "mix": ReleaseTool(
        start="start",
        console="remote",
        ping=("rpc", "IO.puts(:pong)"),
        eval="eval",
        rpc="rpc",
        build="mix release --overwrite --version {version}",
        assembled="_build/{mix_env}/rel/{release}",
    ),
    "distillery": ReleaseTool(
        start="foreground",
        console="remote_console",
        ping=("ping",),
        eval="eval",
        rpc="rpc",
        # The build program packs the release. Distillery's own archive step fails with OTP 25.
        build="mix distillery.release --env={environment} --no-tar",
        assembled="_build/{mix_env}/rel/{release}",
    ),
}
