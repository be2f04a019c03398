"""The steps of docs/from-edeliver.md from Chef, Distillery and edeliver: users of the site hardly notice them."""

import functools
from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.project import CHECKOUT
from tests.host.releases import Variant, as_distillery, build_variants, main_pid, wait_for_page
from tests.host.releasing import Changed, Watcher, entry_point, release, version

# The way is the same on both releases.
pytestmark = BOOKWORM

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")
NEXT = Variant("stage", "0.3.0")
VM_ARGS = "-name billing_stage@127.0.0.1\n-setcookie word-of-the-day\n-smp auto\n"

UNIT = """\
[Unit]
Description=billing
[Service]
User=billing
WorkingDirectory=/home/billing/stage/billing
Environment=PORT=4001 LANG=C.UTF-8 RELEASE_MUTABLE_DIR=/home/billing/stage/billing/var
ExecStart=/home/billing/stage/billing/bin/billing foreground
Restart=no
[Install]
WantedBy=multi-user.target
"""

# As they stand in the document.
SWITCH = [
    line.strip()
    for line in (CHECKOUT / "docs/from-edeliver.md").read_text().splitlines()
    if line.startswith("       ") and "0.1.0" in line
]

SITE = """\
server {
    listen 80;
    server_name stage.billing.example.com;
    location / {
        proxy_pass http://127.0.0.1:4001;
    }
}
"""


@pytest.fixture(scope="module")
def built(host: Host, release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """Tarballs as Distillery makes them, the old one with its cookie in it."""
    directory = tmp_path_factory.mktemp("edeliver")
    tarballs = build_variants(
        release, directory, [OLD, NEW, NEXT], host.machine.run("cat /var/stage.secret.exs").stdout
    )
    cleaned = VM_ARGS.replace("-setcookie word-of-the-day\n", "")
    arguments = {OLD: VM_ARGS, NEW: cleaned, NEXT: cleaned}
    return {
        variant: Changed(path, directory / f"{variant.version}.tar.gz").by(
            functools.partial(as_distillery, vm_args=arguments[variant])
        )
        for variant, path in tarballs.items()
    }


@pytest.fixture(scope="module")
def inherited(host: Host, built: dict[Variant, Path]) -> Host:
    """Stage as Chef and edeliver left it."""
    machine = host.machine
    machine.run(
        "rm -rf /var/lib/billing_stage /etc/default/billing_stage /home/billing/stage/private /home/billing/.bash_aliases"
        " /usr/local/libexec/billing_stage-switch* /etc/deploy-ports.d/billing_stage.nft"
        " && nft delete table inet deploy_owner_billing_stage && chown billing:billing /home/billing/stage"
    )
    machine.run("cat > /etc/systemd/system/billing_stage.service", stdin=UNIT)
    machine.run("cat > /etc/nginx/sites-available/billing_stage", stdin=SITE)
    machine.run("install -d -o billing -g billing /home/billing/stage/billing")
    host.project.edit("stage", release_tool="distillery")
    archive = built[OLD].read_bytes()
    place = Path(f"/proc/{machine.pid}/root/root/old.tar.gz")
    place.write_bytes(archive)
    machine.run(
        "tar -xzf /root/old.tar.gz -C /home/billing/stage/billing && chown -R billing: /home/billing/stage/billing"
    )
    machine.run("systemctl daemon-reload && systemctl reload nginx && systemctl start billing_stage")
    wait_for_page(machine, "stage")
    return host


def test_nobody_notices_the_apply(inherited: Host) -> None:
    machine = inherited.machine
    process = main_pid(machine, "stage")
    with Watcher(machine, "stage") as watcher:
        refused = inherited.project.apply("--limit", "stage")
        assert (
            refused.exit_code,
            "unit /etc/systemd/system/billing_stage.service: it is replaced" in refused.output,
        ) == (
            1,
            True,
        ), refused.output
        inherited.project.edit("stage", adopt=True)
        inherited.project.apply("--limit", "stage").require_success()
        inherited.project.edit("stage", adopt=None)
        assert inherited.project.planned("--limit", "stage") == {}
    assert watcher.complaints == []
    assert (main_pid(machine, "stage"), version(machine, "stage")) == (process, "0.1.0")
    assert "Managed by the deploy repository" in machine.run("cat /etc/systemd/system/billing_stage.service").stdout


def test_a_release_over_what_edeliver_left_is_refused(inherited: Host, built: dict[Variant, Path]) -> None:
    run = release(inherited, "stage", built[NEW])
    assert (run.exit_code, "no link to a release but the release itself, as edeliver leaves it" in run.output) == (
        1,
        True,
    )
    assert version(inherited.machine, "stage") == "0.1.0"


@pytest.mark.everything
def test_one_restart_and_the_way_back(inherited: Host, built: dict[Variant, Path]) -> None:
    machine = inherited.machine
    with Watcher(machine, "stage") as watcher:
        for line in SWITCH:
            machine.run(f"cd /home/billing/stage && {line}")
        release(inherited, "stage", built[NEW]).require_success()
    assert version(machine, "stage") == "0.2.0"
    assert watcher.complaints
    # One stretch, which is the restart.
    assert watcher.complaints[-1].when - watcher.complaints[0].when < 30
    entry_point(inherited, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
    assert version(machine, "stage") == "0.1.0"


@pytest.mark.everything
def test_secrets_are_built_in_until_the_next_build(inherited: Host, built: dict[Variant, Path]) -> None:
    """The apply wrote the secret file anew, and Distillery's release has what it was built with."""
    found = inherited.project.make("doctor", "ENV=stage")
    assert (found.exit_code, "secret.exs is newer than the running release, which has it built in" in found.output) == (
        2,
        True,
    ), found.output
    assert "Mend: make update ENV=stage builds a new one" in found.output
    # Built now, that is.
    built_now = Changed(built[NEXT], built[NEXT].with_name("now.tar.gz")).by(
        lambda tree: (tree / "releases/start_erl.data").touch()
    )
    release(inherited, "stage", built_now).require_success()
    assert "stage: nothing is wrong" in inherited.project.make("doctor", "ENV=stage").require_success().output
