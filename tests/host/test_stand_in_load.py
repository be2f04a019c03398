"""Many hand-overs in a row under load, by TLS and HTTP/2 as well: no request is lost, and none waits."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.host.conftest import Host
from tests.host.load import Load, Websocket
from tests.host.releases import Variant, as_distillery, build_variants
from tests.host.releasing import Changed, entry_point

_TOOLS = [("trixie", "mix"), ("trixie", "distillery"), ("bookworm", "mix"), ("bookworm", "distillery")]

pytestmark = [
    pytest.mark.everything,
    pytest.mark.parametrize(("release", "tool"), _TOOLS, indirect=True, scope="session"),
]

# Of each action. More by `HAND_OVERS=20 make test-all`.
TIMES = int(os.environ.get("HAND_OVERS", "2"))

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")
VM_ARGS = "-name billing_stage@127.0.0.1\n-smp auto\n"

# A request that is in flight, in milliseconds.
SLOW = 8000


@pytest.fixture(scope="session")
def tool(request: pytest.FixtureRequest) -> str:
    """Each release tool."""
    return str(request.param)


@pytest.fixture(scope="module")
def serving(host: Host, release: str, tool: str, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """stage by TLS at 0.1.0, and 0.2.0 in its store."""
    # What ran before is of another tool.
    host.machine.run("systemctl stop billing_stage; rm -rf /home/billing/stage/billing /home/billing/stage/releases/*")
    host.machine.run("rm -f /var/lib/billing_stage/artifacts/billing*")
    host.project.edit("stage", release_strategy="stand_in", drain_time=30, settle_time=3, tls="self_signed",
                      release_tool=tool, memory_limit=800)  # fmt: skip
    host.project.apply("--limit", "stage").require_success()
    directory = tmp_path_factory.mktemp(tool)
    secrets = host.machine.run("cat /var/stage.secret.exs").stdout if tool == "distillery" else None
    built = build_variants(release, directory, [NEW, OLD], secrets)
    if tool == "distillery":
        built = {
            variant: Changed(tarball, directory / f"{variant.version}.tar.gz").by(
                lambda tree: as_distillery(tree, VM_ARGS)
            )
            for variant, tarball in built.items()
        }
    for tarball in built.values():
        entry_point(host, "deploys/release.py", "stage", TARBALL=str(tarball)).require_success()
    return host


@pytest.fixture(params=[False, True], ids=["alone", "one processor busy"])
def load(request: pytest.FixtureRequest, serving: Host) -> Iterator[Load]:
    """About 200 requests a second; none failed or waited at its end."""
    with contextlib.ExitStack() as stack:
        if request.param:
            busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(busy.kill)
        load = stack.enter_context(Load(serving.machine.address, slow=SLOW, tls=True))
        # The computer has other work, too.
        time.sleep(20)
        at_rest = load.longest
        websocket = stack.enter_context(Websocket(serving.machine.address, tls=True))
        yield load
    print(f"{websocket.opened} websockets, longest gap {websocket.gap:.3f} s")
    assert websocket.gap < 3
    print(
        f"{len(load.answers)} requests, median {load.median:.3f} s, longest {load.longest:.3f} s, at rest {at_rest:.3f} s"
    )
    assert load.failed == []
    assert load.longest < max(load.median, at_rest) + 0.5
    assert not serving.machine.run("nft list tables | grep deploy_standin", check=False).stdout


def test_many_in_a_row(serving: Host, load: Load, tool: str) -> None:
    for _ in range(TIMES):
        entry_point(serving, "deploys/release.py", "stage", VERSION="0.2.0").require_success()
        assert load.failed == []
        entry_point(serving, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
        assert load.failed == []
        entry_point(serving, "deploys/restart.py", "stage").require_success()
        assert load.failed == []
    # A release by Distillery has its password built in.
    for _ in range(TIMES if tool == "mix" else 0):
        serving.project.set_secrets("stage", database_password=os.urandom(16).hex())
        serving.project.apply("--limit", "stage").require_success()
        assert load.failed == []
