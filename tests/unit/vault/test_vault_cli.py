"""The vault's commands, run as processes with real keys and real editor scripts."""

import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest
from pyrage import x25519

from group_data.schema.paths import CHECKOUT
from group_data.schema.secrets import REQUIRED_KEYS
from tests import forks
from tests.unit.sample import sample
from vault import editor, store, upkeep
from vault.keys import Identities, find_identities
from vault.recipients import read_recipients
from vault.store import VaultError, open_vault

SECRET = "swordfish"
TEXT = f"""\
# kept comment
database_password = "{SECRET}-password"
secret_key_base = "{SECRET * 8}"
cookie = "{SECRET * 3}"
"""

# The command as it is, but for the inventory. pyinfra_cli is imported because reading the inventory does, and it patches
# subprocess and signals for gevent.
DRIVER = """
import json
import os
import sys
from pathlib import Path
from commands import vault_places
from group_data.schema.environment import Environment
from commands.__main__ import main
from vault.upkeep import Place
import pyinfra_cli
folder = Path(sys.argv[1])
vault_places.places = lambda needed=(): {name: Place(folder / f"{name}.age", None) for name in ("stage", "prod")}
data = {"app": "billing", "domain": "stage.example.com", "port": 4001}
vault_places.settings = lambda name: Environment(environment=name, **data, **json.loads(os.environ.get("SETTINGS", "{}")))
main([f"vault-{sys.argv[2]}", *sys.argv[3:]])
"""


class Desk:
    """An operator's home, a vault folder for stage and prod, and an editor that is a shell script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "vault"
        self.recipients = self.folder / "recipients.txt"
        self.stage = self.folder / "stage.age"
        self.prod = self.folder / "prod.age"
        self.keys = folder / "home/.config/age/keys.txt"
        self.editor = folder / "editor"
        self.seen = folder / "seen"
        self.keys.parent.mkdir(parents=True)
        self.folder.mkdir()
        self.key = x25519.Identity.generate()
        self.public = str(self.key.to_public())
        self.keys.write_text(f"{self.key}\n")
        self.recipients.write_text(f"{self.public}\n")
        self.environment = {
            "HOME": str(folder / "home"),
            "PATH": os.environ["PATH"],
            "EDITOR": str(self.editor),
            "VAULT_IDENTITY": str(self.key),
            "SEEN": str(self.seen),
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", DRIVER, str(self.folder), *arguments]

    def start(self, *arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return forks.run(
            self.command(*arguments),
            cwd=CHECKOUT,
            env=self.environment | environment,
            stdin=stdin,
            stderr=subprocess.PIPE,
            modules=("commands.vault_places", "commands.options", "vault.upkeep"),
        )

    def run(self, *arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command, and check that it shows neither a value nor a traceback."""
        raw = self.start(*arguments, stdin=stdin, **environment)
        done = subprocess.CompletedProcess(raw.args, raw.returncode, raw.stdout.decode(), raw.stderr.decode())
        output = done.stdout + done.stderr
        assert "Traceback" not in output
        assert SECRET not in output
        for path in (self.stage, self.prod):
            for value in self.values(path):
                assert len(value) < 8 or value not in output
        return done

    def refused(self, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        done = self.run(*arguments, stdin=stdin, **environment)
        assert done.returncode == 1
        assert done.stdout == ""
        return done.stderr

    def write(self, path: Path, text: str = TEXT) -> bytes:
        path.write_bytes(store.seal(text.encode(), read_recipients(self.folder)))
        return path.read_bytes()

    def text(self, path: Path) -> str:
        return store.decrypt(path.read_bytes(), path, self.identities).decode()

    def values(self, path: Path) -> list[str]:
        try:
            return [str(value) for value in store.read_values(self.text(path).encode()).values()]
        except (FileNotFoundError, VaultError):
            return []

    @property
    def identities(self) -> Identities:
        return Identities((self.key,), (), locked=False)

    def script(self, *lines: str) -> None:
        self.editor.write_text("\n".join(["#!/bin/sh", 'echo "$1" > "$SEEN"', *lines]) + "\n")
        self.editor.chmod(0o755)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    if made.seen.exists():
        assert not Path(made.seen.read_text().splitlines()[0]).parent.exists()


# init


def test_init_makes_a_vault(desk: Desk) -> None:
    done = desk.run("init", "stage")
    assert (done.returncode, done.stderr) == (0, "")
    assert "made database_password, secret_key_base, cookie" in done.stdout
    secrets = store.read_secrets(desk.text(desk.stage).encode())
    assert secrets.database_password.get_secret_value().isalnum()
    assert len(secrets.database_password.get_secret_value()) >= 32
    assert len(secrets.secret_key_base.get_secret_value()) >= 64
    assert len(secrets.cookie.get_secret_value()) == 43
    assert desk.text(desk.stage).startswith("# Secrets of stage")
    assert stat.S_IMODE(desk.stage.stat().st_mode) == 0o644


def test_init_makes_different_values_each_time(desk: Desk) -> None:
    desk.run("init", "stage")
    desk.run("init", "prod")
    stage, prod = desk.values(desk.stage), desk.values(desk.prod)
    assert len({*stage, *prod}) == 6


def test_init_with_nothing_to_do(desk: Desk) -> None:
    before = desk.write(desk.stage)
    done = desk.run("init", "stage")
    assert done.returncode == 0
    assert "nothing changed" in done.stdout
    assert desk.stage.read_bytes() == before


def test_init_adds_what_is_missing_and_keeps_the_rest(desk: Desk) -> None:
    present = f'# kept\ncookie = "{SECRET * 3}"  # also kept'
    desk.write(desk.stage, present)
    done = desk.run("init", "stage")
    assert "made database_password, secret_key_base\n" in done.stdout
    assert desk.text(desk.stage).startswith(present + "\n")
    assert store.read_secrets(desk.text(desk.stage).encode())


def test_init_makes_the_password_that_group_data_asks_for(desk: Desk) -> None:
    desk.write(desk.stage)
    key = desk.keys
    place = upkeep.Place(desk.stage, str(key), (*REQUIRED_KEYS, "basic_auth_password"))
    assert upkeep.init(place).endswith("stage.age: made basic_auth_password")
    password = store.read_secrets(desk.text(desk.stage).encode()).basic_auth_password
    assert password is not None
    assert len(password.get_secret_value()) == 43
    assert "nothing changed" in upkeep.init(place)


@pytest.mark.parametrize("text", ['cookie = ""\n', f'[table]\nx = "{SECRET}"\n', f'cookie = "{SECRET}\n'])
def test_init_refuses_a_vault_that_needs_mending(desk: Desk, text: str) -> None:
    before = desk.write(desk.stage, text)
    assert "make vault-edit ENV=stage" in desk.refused("init", "stage")
    assert desk.stage.read_bytes() == before


def test_init_of_a_vault_for_others(desk: Desk) -> None:
    desk.recipients.write_text(str(x25519.Identity.generate().to_public()))
    assert "you would shut yourself out" in desk.refused("init", "stage")
    assert not desk.stage.exists()
    assert "made database_password" in desk.run("init", "stage", "--yes").stdout
    assert "encrypted for others" in desk.refused("init", "stage")


def test_init_without_recipients_gives_the_line_to_add(desk: Desk) -> None:
    desk.recipients.unlink()
    desk.folder.rmdir()
    message = desk.refused("init", "stage")
    advice = [line.strip() for line in message.splitlines() if line.startswith("  ")]
    assert advice[-1].startswith(f"echo {desk.public} >> ")
    subprocess.run(["/bin/sh", "-ec", "\n".join(advice)], check=True)
    assert desk.run("init", "stage").returncode == 0


def test_init_without_recipients_proposes_the_ssh_key(desk: Desk) -> None:
    desk.recipients.write_text("# nobody\n")
    ssh = desk.keys.parents[3] / ".ssh"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "it's me", "-f", make(ssh) / "id_ed25519"], check=True
    )
    command = desk.refused("init", "stage", VAULT_IDENTITY="").splitlines()[-1]
    subprocess.run(["/bin/sh", "-ec", command], check=True)
    desk.keys.unlink()
    assert "None of your own" not in desk.run("init", "stage", VAULT_IDENTITY="").stdout


def make(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def test_init_without_recipients_or_keys(desk: Desk) -> None:
    desk.recipients.write_text("")
    desk.keys.unlink()
    assert "mkdir -p ~/.config/age && age-keygen -o ~/.config/age/keys.txt" in desk.refused(
        "init", "stage", VAULT_IDENTITY=""
    )


def test_init_with_malformed_recipients(desk: Desk) -> None:
    desk.recipients.write_text("age1x\n")
    assert "line 1 is no age1..." in desk.refused("init", "stage")


@pytest.mark.parametrize("command", ["init", "edit"])
@pytest.mark.parametrize("name", ["nowhere", "../stage"])
def test_unknown_environment(desk: Desk, command: str, name: str) -> None:
    assert "; there are: stage, prod" in desk.refused(command, name)


def test_wrong_usage(desk: Desk) -> None:
    assert desk.run("init").returncode == 2
    assert desk.run("init", "").returncode == 2
    assert desk.run("recipients", "stage").returncode == 2


# edit


def test_edit(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.stage.chmod(0o600)
    desk.script(
        'stat -c "%a %F" "$1" "$(dirname "$1")" >> "$SEEN"', "env >> $SEEN", "echo 'mailer = \"m\"' >> $1", "touch $1~"
    )
    done = desk.run("edit", "stage")
    assert (done.returncode, done.stderr) == (0, "")
    assert desk.text(desk.stage) == TEXT + 'mailer = "m"\n'
    assert stat.S_IMODE(desk.stage.stat().st_mode) == 0o600
    seen = desk.seen.read_text().splitlines()
    assert re.fullmatch(rf"{editor.MEMORY}/vault-[0-9a-f]{{16}}/stage\.toml", seen[0])
    assert seen[1:3] == ["600 regular file", "700 directory"]
    assert f"TMPDIR={Path(seen[0]).parent}" in seen
    assert str(desk.key) not in desk.seen.read_text()
    assert SECRET not in desk.seen.read_text()


def test_edit_by_rename(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.script('sed "s/kept/changed/" "$1" > "$1.new"', 'mv "$1.new" "$1"')
    assert desk.run("edit", "stage").returncode == 0
    assert desk.text(desk.stage) == TEXT.replace("kept", "changed")


def test_edit_without_a_change(desk: Desk) -> None:
    before = desk.write(desk.stage)
    desk.script('touch "$1"')
    assert "nothing changed" in desk.run("edit", "stage").stdout
    assert desk.stage.read_bytes() == before


def test_edit_of_a_missing_vault(desk: Desk) -> None:
    assert "make vault-init ENV=stage" in desk.refused("edit", "stage")


def test_edit_mends_a_broken_text(desk: Desk) -> None:
    desk.write(desk.stage, "broken")
    desk.script("printf '%s' '" + TEXT + '\' > "$1"')
    assert desk.run("edit", "stage").returncode == 0
    assert desk.text(desk.stage) == TEXT


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (f"echo 'cookie = \"{SECRET}\"' > $1", "cookie: must be 20 to 255"),
        (f"echo 'broken {SECRET}' >> $1", "line 5 is not TOML"),
        ("rm $1", "left no file"),
        ("echo x >> $1; exit 3", "ended with status 3"),
        ("kill -9 $$", "ended with status -9"),
    ],
)
def test_edit_that_fails_keeps_the_vault(desk: Desk, line: str, word: str) -> None:
    before = desk.write(desk.stage)
    desk.script(line)
    message = desk.refused("edit", "stage")
    assert word in message
    assert "the vault is left as it was" in message
    assert desk.stage.read_bytes() == before


def test_edit_while_someone_else_stores_theirs(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.script(f"echo '# mine' >> $1; printf theirs > {desk.stage}")
    assert "changed by someone else" in desk.refused("edit", "stage")
    assert desk.stage.read_bytes() == b"theirs"


@pytest.mark.parametrize("editor", ["/no/such/editor", "'unclosed", "  "])
def test_edit_without_an_editor(desk: Desk, editor: str) -> None:
    desk.write(desk.stage)
    assert "set EDITOR" in desk.refused("edit", "stage", EDITOR=editor)


def test_visual_comes_first_and_may_have_arguments(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.script("exit 1")
    assert desk.run("edit", "stage", VISUAL="sed -i s/kept/changed/").returncode == 0
    assert "# changed comment" in desk.text(desk.stage)


def test_the_editors_output_stays_out_of_a_log(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.script('cat "$1"', 'cat "$1" >&2')
    done = desk.run("edit", "stage")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_vim_keeps_no_copies(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.editor = desk.editor.with_name("vim")
    desk.script('printf "%s\\n" "$@" >> "$SEEN"', "eval last=\\${$#}", "echo '# more' >> $last")
    desk.editor.write_text(desk.editor.read_text().replace('echo "$1" > ', "eval echo \\${$#} > "))
    assert desk.run("edit", "stage", EDITOR=str(desk.editor)).returncode == 0
    assert {"-n", "-i", "NONE", "silent! set noundofile nobackup nowritebackup"} < set(
        desk.seen.read_text().splitlines()
    )


def test_edit_does_not_shut_its_author_out(desk: Desk) -> None:
    before = desk.write(desk.stage)
    desk.recipients.write_text(str(x25519.Identity.generate().to_public()))
    desk.script("echo '# more' >> $1")
    assert "YES=1" in desk.refused("edit", "stage")
    assert desk.stage.read_bytes() == before
    assert not desk.seen.exists()


def test_edit_refuses_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    for folder in (Path("/proc"), Path("/no/such/folder")):
        monkeypatch.setattr(editor, "MEMORY", folder)
        with pytest.raises(VaultError, match="no memory file system"):
            editor.edit_in_memory(b"", "stage.toml", lambda _: None)


@pytest.mark.parametrize(
    ("number", "stubborn"),
    sample(
        [
            (signal.SIGINT, False),
            (signal.SIGTERM, False),
            (signal.SIGHUP, False),
            (signal.SIGQUIT, False),
            (signal.SIGINT, True),
        ],
        (signal.SIGTERM, False),
        (signal.SIGINT, True),
    ),
)
def test_a_signal_removes_the_text(desk: Desk, number: signal.Signals, stubborn: bool) -> None:
    before = desk.write(desk.stage)
    desk.script(
        "trap '' TERM INT HUP" if stubborn else "", "echo '# more' >> $1", "echo ready >> $SEEN", "exec sleep 60"
    )
    with subprocess.Popen(
        desk.command("edit", "stage"), cwd=CHECKOUT, env=desk.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: desk.seen.exists() and "ready" in desk.seen.read_text())
        folder = Path(desk.seen.read_text().splitlines()[0]).parent
        assert folder.exists()
        process.send_signal(number)
        if stubborn:  # so that a second signal comes while the command waits for the editor to end
            time.sleep(0.2)
            process.send_signal(number)
        assert process.wait(timeout=20) == 128 + number
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert not folder.exists()
    assert desk.stage.read_bytes() == before


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def read_until(terminal: int, marker: bytes | None) -> bytes:
    """What a terminal shows up to a text, or until its other end is closed."""
    shown = b""
    while marker is None or marker not in shown:
        assert select.select([terminal], [], [], 20)[0]
        try:
            shown += os.read(terminal, 1024)
        except OSError:  # how Linux says that the other end is closed
            assert marker is None
            break
    return shown


@pytest.mark.parametrize(
    ("answer", "code"),
    sample([("y\n", 0), ("\n", 0), ("n\n", 1), ("\x04", 1), ("", 130)], ("\n", 0), ("n\n", 1), ("", 130)),
)
def test_edit_again_on_a_terminal(desk: Desk, answer: str, code: int) -> None:
    before = desk.write(desk.stage)
    desk.script('if grep -q broken "$1"; then sed -i s/broken/#mended/ "$1"; else echo broken >> "$1"; fi')
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        desk.command("edit", "stage"), cwd=CHECKOUT, env=desk.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = read_until(ours, b"Edit again? [Y/n]")
    if answer:
        os.write(ours, answer.encode())
    else:
        process.send_signal(signal.SIGINT)
    shown += read_until(ours, None)
    assert process.wait(timeout=20) == code
    os.close(ours)
    assert b"line 5 is not TOML" in shown
    assert SECRET.encode() not in shown
    assert (desk.text(desk.stage) == TEXT + "#mended\n") is (code == 0)
    assert (desk.stage.read_bytes() == before) is (code != 0)


# recipients


def test_recipients_encrypts_every_vault_for_the_new_ones(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.write(desk.prod)
    desk.stage.chmod(0o640)
    other = x25519.Identity.generate()
    desk.recipients.write_text(f"{desk.public}\n# bob\n{other.to_public()}\n")
    done = desk.run("recipients", "--new-recipients")
    assert (done.returncode, done.stderr) == (0, "")
    assert "prod.age: encrypted for" in done.stdout
    assert "bob (age1" in done.stdout
    for path in (desk.stage, desk.prod):
        assert store.decrypt(path.read_bytes(), path, Identities((other,), (), locked=False)).decode() == TEXT
        assert desk.text(path) == TEXT
    assert stat.S_IMODE(desk.stage.stat().st_mode) == 0o640
    assert len(list(desk.folder.iterdir())) == 3


def test_recipients_takes_unusable_texts_and_forgotten_vaults_along(desk: Desk) -> None:
    forgotten = desk.folder / "old.age"
    before = [desk.write(desk.stage, "broken"), desk.write(forgotten)]
    desk.recipients.write_text(f"{desk.public}\n{x25519.Identity.generate().to_public()}\n")
    assert desk.run("recipients", "--new-recipients").returncode == 0
    assert desk.text(desk.stage) == "broken"
    assert before[0] != desk.stage.read_bytes()
    assert before[1] != forgotten.read_bytes()


def test_recipients_changes_nothing_for_the_same_keys(desk: Desk) -> None:
    desk.write(desk.stage)
    desk.run("recipients")
    before = desk.stage.read_bytes()
    desk.recipients.write_text(f"# the same key under a name\n{desk.public}\n")
    done = desk.run("recipients")
    assert done.stdout == "every vault is encrypted for the keys in recipients.txt already: nothing changed\n"
    assert desk.stage.read_bytes() == before


def test_recipients_takes_a_key_out_that_somebody_added_by_hand(desk: Desk) -> None:
    desk.write(desk.stage)
    marked = pyrage.decrypt(desk.stage.read_bytes(), [desk.key])
    other = x25519.Identity.generate()
    desk.stage.write_bytes(pyrage.encrypt(marked, [desk.key.to_public(), other.to_public()]))
    assert "stage.age: encrypted for" in desk.run("recipients").stdout
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(desk.stage.read_bytes(), [other])


def test_recipients_encrypts_a_vault_anew_that_does_not_tell_its_readers(desk: Desk) -> None:
    desk.stage.write_bytes(pyrage.encrypt(TEXT.encode(), [desk.key.to_public()]))
    assert "stage.age: encrypted for" in desk.run("recipients").stdout
    assert desk.text(desk.stage) == TEXT


def test_recipients_changes_nothing_when_one_vault_stays_closed(desk: Desk) -> None:
    before = desk.write(desk.stage)
    mine = desk.recipients.read_text()
    desk.recipients.write_text(str(x25519.Identity.generate().to_public()))
    desk.write(desk.prod)
    desk.recipients.write_text(mine)
    (desk.folder / "old.age").write_bytes(b"junk")
    message = desk.refused("recipients")
    assert "prod.age is encrypted for others" in message
    assert "old.age is damaged" in message
    assert "No vault was changed" in message
    assert desk.stage.read_bytes() == before


def test_recipients_does_not_shut_its_author_out(desk: Desk) -> None:
    before = desk.write(desk.stage)
    other = x25519.Identity.generate()
    desk.recipients.write_text(str(other.to_public()))
    assert "YES=1" in desk.refused("recipients")
    assert desk.stage.read_bytes() == before
    assert "these recipients are new" in desk.refused("recipients", "--yes")
    assert desk.run("recipients", "--yes", "--new-recipients").returncode == 0
    assert store.decrypt(desk.stage.read_bytes(), desk.stage, Identities((other,), (), locked=False)).decode() == TEXT


def test_recipients_without_a_vault_or_a_recipient(desk: Desk) -> None:
    done = desk.run("recipients")
    assert done.returncode == 0
    assert "no vault yet" in done.stdout
    desk.write(desk.stage)
    desk.recipients.unlink()
    assert "names no recipient" in desk.refused("recipients")


def test_the_whole_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.run("init", "stage")
    desk.script("echo 'mailer_key = \"m\"' >> $1")
    desk.run("edit", "stage")
    desk.run("recipients")
    monkeypatch.setenv("VAULT_IDENTITY", str(desk.key))
    assert find_identities().looked == ("VAULT_IDENTITY: 1 age key",)
    secrets = open_vault(desk.stage)
    assert list(secrets.application) == ["mailer_key"]
    assert all(getattr(secrets, name) for name in REQUIRED_KEYS)


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "commands.vault_recipients", "--help"], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "recipients.txt" in done.stdout
