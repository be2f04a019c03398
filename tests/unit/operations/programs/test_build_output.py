"""The output of a build: levels for the journal, and no secrets in it."""

import base64
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from operations.host.program import PROGRAMS


def shown(script: str, **variables: str) -> list[str]:
    """The lines of a script of bash that build_output.pl runs."""
    done = subprocess.run(
        ["perl", str(PROGRAMS / "build_output.pl"), "bash", "-c", script],
        env=os.environ | variables, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


def test_lines_of_the_program_have_a_level_of_their_own() -> None:
    assert shown('echo "${MARK}step"; echo other >&2; echo "<3>forged"; printf "no end"') == [
        "<5>step", "<6>other", "<6><3>forged", "<6>no end",
    ]  # fmt: skip


@pytest.mark.parametrize("secret", ["p@ss\"w'o#{r}d\\ \t%", "éèêë word", "12345678", "(a|b)*.$^[x]"])
def test_a_secret_is_hidden_as_programs_write_it(secret: str) -> None:
    string = secret.replace("\\", "\\\\").replace('"', '\\"').replace("#{", "\\#{").replace("\t", "\\t")
    ways = [secret, f"https://u:{quote(secret, safe='')}@host/x", f'"{string}"']
    for way in ways:
        lines = shown('printf "%s\\n" "a $WAY z"', WAY=way, TOKEN=secret, BUILD_SECRETS="TOKEN")
        assert len(lines) == 1
        assert "[secret]" in lines[0]
        assert secret not in lines[0]
    for before in ("", "u:", "us:"):
        encoded = base64.b64encode(f"{before}{secret}".encode()).decode()
        [line] = shown('echo "Basic $WAY"', WAY=encoded, TOKEN=secret, BUILD_SECRETS="TOKEN")
        assert "[secret]" in line
        assert encoded not in line


def test_each_line_of_a_long_secret_is_hidden(tmp_path: Path) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\nAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n"
    (tmp_path / "deploy_key").write_text(key)
    lines = shown('cat "$CREDENTIALS_DIRECTORY/deploy_key"; echo "$PEM"', PEM="first line\r\nsecond line\r\nx",
                  BUILD_SECRETS="PEM", CREDENTIALS_DIRECTORY=str(tmp_path))  # fmt: skip
    assert [line.strip() for line in lines] == [
        "<6>-----BEGIN OPENSSH PRIVATE KEY-----", "<6>[secret]", "<6>[secret]", "<6>-----END OPENSSH PRIVATE KEY-----",
        "<6>[secret]", "<6>[secret]", "<6>x",
    ]  # fmt: skip


def test_a_short_value_leaves_words_as_they_are() -> None:
    assert shown("echo compile", TOKEN="o", BUILD_SECRETS="TOKEN OTHER") == ["<6>compile"]


def test_a_secret_across_parts_of_a_long_line_is_hidden() -> None:
    script = "for n in $(seq 300); do head -c 997 /dev/zero | tr '\\0' x; printf '%s' \"$TOKEN\"; done; echo"
    text = "".join(line.removeprefix("<6>") for line in shown(script, TOKEN="0123456789" * 3, BUILD_SECRETS="TOKEN"))
    assert text.count("[secret]") == 300
    assert "012345" not in text


def test_the_exit_status_is_the_programs_and_nobody_waits_for_what_it_left() -> None:
    begun = time.monotonic()
    done = subprocess.run(
        ["perl", str(PROGRAMS / "build_output.pl"), "bash", "-c", "sleep 30 & echo last; exit 7"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (7, "<6>last\n")
    assert time.monotonic() - begun < 20
    killed = subprocess.run(["perl", str(PROGRAMS / "build_output.pl"), "bash", "-c", "kill -9 $$"], check=False)
    assert killed.returncode == 137


def test_a_build_that_never_stops_talking_fills_no_journal() -> None:
    run = subprocess.run(
        ["perl", str(PROGRAMS / "build_output.pl"), "bash", "-c", f"yes {'x' * 5000} | head -c 40000000; echo end"],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    assert (run.returncode, len(run.stdout) < 33 << 20) == (1, True)
    assert lines[-1] == b"<5>FAILED: the build says more than 32 MiB, and the rest is left out: have it say less"
    # The control: as much as is shown, and no more.
    run = subprocess.run(
        ["perl", str(PROGRAMS / "build_output.pl"), "bash", "-c", f"yes {'x' * 5000} | head -c 30000000; echo; echo end"],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, b"<6>end")
