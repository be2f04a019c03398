"""The machines themselves: several at once, and no remains of a machine after its owner was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sandbox import checkout
from tests.sandbox.machine import boot
from tests.sandbox.slots import STATE

OWNER = """\
import pathlib, sys, time
from tests.sandbox.machine import boot
with boot(directory=pathlib.Path(sys.argv[1])) as machine:
    print(machine.slot.number, machine.slot.label, machine.pid, flush=True)
    time.sleep(600)
"""


def leftovers(label: str, number: str) -> str:
    links = [link["ifname"] for link in json.loads(subprocess.check_output(["ip", "-json", "link"]))]
    found = [
        "interface" if label in links else "",
        "namespace" if f" /run/netns/{label} " in mounts() else "",
        "mounts" if f"{STATE}/{number}/" in mounts() else "",
        "directory" if (STATE / number).exists() else "",
        "firewall" if f"table ip {label}" in subprocess.check_output(["nft", "list", "tables"], text=True) else "",
    ]
    return ", ".join(filter(None, found))


def mounts() -> str:
    return Path("/proc/mounts").read_text()


def is_of(number: str, owner: Path) -> bool:
    """Not once another worker boots its machine in the same place, where that finds nothing of the one before."""
    try:
        return str(owner) in (STATE / number / "record.json").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_machine_whose_owner_ends(end: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "sandbox")]
    with subprocess.Popen(command, cwd=checkout.DIRECTORY.parent, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        number, label, leader = owner.stdout.readline().split()
        assert leftovers(label, number) == "interface, namespace, mounts, directory, firewall"
        owner.send_signal(end)
        owner.wait()
    deadline = time.monotonic() + 30
    while (left := leftovers(label, number)) and is_of(number, tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == "" or not is_of(number, tmp_path)
    while Path(f"/proc/{leader}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{leader}").exists()


def test_two_at_once_and_a_changed_host_key_is_noticed(tmp_path: Path) -> None:
    with boot(directory=tmp_path / "one") as one, boot(directory=tmp_path / "two", release="bookworm") as two:
        assert one.address != two.address
        assert one.ssh("id -un && sudo id -un").stdout == "devops\nroot\n"
        assert two.ssh("cat /etc/debian_version").stdout.startswith("12.")
        known_hosts = one.directory / "known_hosts"
        other_key = (two.directory / "known_hosts").read_text().replace(two.address, one.address)
        known_hosts.write_text(other_key)
        refused = one.ssh("true", check=False)
        assert refused.returncode == 255
        assert "Host key verification failed" in refused.stderr
        direct = ["ssh", "-F", str(two.directory / "ssh_config"), "-l", "root", two.name, "true"]
        assert subprocess.run(direct, capture_output=True, check=False, env=os.environ).returncode == 255
