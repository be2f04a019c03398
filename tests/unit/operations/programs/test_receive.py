"""Uploads: what arrived stays for the next connection, and a full disk gets back what it gave."""

from tests.unit.operations.programs.sandboxed import Sandbox


def test_a_connection_that_breaks_leaves_what_arrived(sandbox: Sandbox) -> None:
    assert sandbox.run("receive.sh", "tarball", "0", "6", stdin="one").returncode == 1
    assert (sandbox.directory / "tarball.part").read_text() == "one"
    assert sandbox.run("receive.sh", "tarball", "3", "6", stdin="two").returncode == 0
    assert (sandbox.directory / "tarball").read_text() == "onetwo"


def test_an_upload_without_room_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.stub("dd", 'echo part > tarball.part; echo "dd: error writing: No space left on device" >&2; exit 1')
    done = sandbox.run("receive.sh", "tarball", "0", "6", stdin="onetwo")
    assert (done.returncode, done.stderr) == (1, "dd: error writing: No space left on device\n")
    assert not (sandbox.directory / "tarball.part").exists()
