"""Build Erlang and Elixir: `DEPLOY_BUILD=stage pyinfra inventory.py deploys/toolchain.py --limit <build host>`.

Variables of this process:

+ DEPLOY_BUILD: environment, by default the host's own

It does what the first build would do. Without the checksums in group data it shows them and builds nothing.
"""

from pyinfra import host

from operations.release import toolchain
from operations.release.choice import choose_build
from preflight import entry
from preflight.options import option

entry.one_environment()
_, environment = choose_build(option("BUILD"), host, entry.environments())
distribution = entry.distribution()
if not toolchain.checksums(environment, distribution):
    toolchain.install(environment, distribution)
