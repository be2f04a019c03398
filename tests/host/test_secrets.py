"""Secrets reach the host, but no local user, no output and no log shows them."""

import base64
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from operations.host import program
from tests.host import spies
from tests.host.conftest import Host
from tests.host.partial import planned_and_applied, with_steps
from tests.inputs.machine_files import inside
from tests.sandbox.image import image, run_in
from tests.sandbox.machine import Machine

STAGE = "/var/stage.secret.exs"
VARIABLES = "/var/lib/billing_stage/variables.secret"
COOKIE = "/home/billing/stage/private/.erlang.cookie"


@pytest.fixture(scope="module", autouse=True)
def _named(host: Host) -> None:
    """Both environments have a secret variable."""
    host.project.edit("all", secret_variables=["STRIPE_KEY"])
    renew(host)


@pytest.fixture(scope="module")
def files(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The machine and a repository whose deploy.py writes the secret files and nothing else."""
    path = tmp_path_factory.mktemp("files") / "project"
    steps = [
        "secret_file.cookie(environment, secrets)",
        "secret_file.secret_file_and_database_password(environment, secrets)",
    ]
    return Host(host.machine, with_steps(host.project, path, *steps))


def new_secrets() -> dict[str, str]:
    """Values nobody has seen before, for every key an environment may have."""
    keys = ["database_password", "secret_key_base", "cookie", "appsignal_push_api_key", "mailer_key", "STRIPE_KEY"]
    return {key: secrets.token_hex(32) for key in keys}


def renew(host: Host) -> list[str]:
    """Put new secrets into both vaults; the values."""
    values = {environment: new_secrets() for environment in ("stage", "prod")}
    for environment, chosen in values.items():
        host.project.set_secrets(environment, **chosen)
    return [value for chosen in values.values() for value in chosen.values()]


# --- A local user ----------------------------------------------------------------------------------------------------


class Spy:
    """What an unprivileged user of the machine met of the needles while reading all there is to read."""

    def __init__(self, machine: Machine, needles: list[str]) -> None:
        self._machine = machine
        self._needles = needles

    def found(self) -> dict[str, str]:
        """Needles met, and where."""
        return spies.met(self._machine, self._needles, "found")

    def rounds(self) -> list[int]:
        """How often it looked for what lies somewhere for a moment, and how often everywhere."""
        sizes = self._machine.run("cd /home/mallory && stat --format %s quick walk").stdout
        return [int(size) for size in sizes.split()]

    def look_again(self) -> None:
        """Return when it has looked everywhere once more, from beginning to end."""
        wanted = self.rounds()[1] + 2
        deadline = time.monotonic() + 60
        while self.rounds()[1] < wanted:
            assert time.monotonic() < deadline, self._machine.run("journalctl --unit spy").stdout
            time.sleep(0.05)


@contextmanager
def spying(machine: Machine, needles: list[str]) -> Iterator[Spy]:
    spies.start(machine, "spy.pl", needles, ["found", "quick", "walk"])
    spy = Spy(machine, needles)
    try:
        spy.look_again()
        yield spy
    finally:
        machine.run("systemctl stop spy.service; rm -f /home/mallory/needles")


def test_a_local_user_never_sees_a_secret(host: Host, files: Host) -> None:
    """Nor the digest of a cookie, on which words could be tried; nor is anything left for root to find."""
    waves = [{environment: new_secrets() for environment in ("stage", "prod")} for _ in range(3)]
    values = [value for wave in waves for chosen in wave.values() for value in chosen.values()]
    cookies = [sha256(f"{chosen['cookie']}\n".encode()).hexdigest() for wave in waves for chosen in wave.values()]
    with spying(host.machine, [*values, *cookies, "SCRAM-SHA-256$"]) as spy:
        for number, wave in enumerate(waves):
            for environment, chosen in wave.items():
                host.project.set_secrets(environment, **chosen)
            (files if number else host).project.apply().require_success()
        spy.look_again()
        assert spy.rounds()[0] > 100
        assert spy.found() == {}
    everywhere = "grep -rsIlF -f - /var /tmp /run /dev/shm /etc /home /root --exclude-dir=apt --exclude-dir=dpkg"
    left = host.machine.run(everywhere, stdin="\n".join(values), check=False).stdout.split()
    assert sorted(left) == [
        "/home/billing/prod/private/.erlang.cookie",
        COOKIE,
        "/var/lib/billing_prod/variables.secret",
        VARIABLES,
        "/var/prod.secret.exs",
        STAGE,
    ]
    journal = host.machine.run("journalctl --no-pager --output export").stdout
    assert "sudo" in journal
    assert [value for value in [*values, *cookies] if value in journal] == []


def test_the_spy_does_see_what_pyinfras_own_files_put_uploads(host: Host, tmp_path: Path) -> None:
    """And an argument, or the test above would prove nothing."""
    content, argument = secrets.token_hex(32), secrets.token_hex(32)
    stock = with_steps(
        host.project,
        tmp_path / "stock",
        "from io import StringIO",
        "from pyinfra.operations import files",
        f"files.put(name='Stock', src=StringIO('{content}'), dest='/root/stock', mode='600')",
    )
    with spying(host.machine, [content, argument]) as spy:
        for _ in range(10):
            host.machine.run("rm -f /root/stock")
            stock.apply("--limit", "stage").require_success()
            if content in spy.found():
                break
        host.machine.run(f"sh -c 'sleep 0.1; exit' {argument}")
        met = spy.found()
    assert host.machine.run("cat /root/stock").stdout.strip() == content
    assert met[content].startswith("/tmp/pyinfra-")  # noqa: S108  where pyinfra puts it
    assert met[argument].startswith("/proc/")


# --- Outputs ---------------------------------------------------------------------------------------------------------


LOUD = ["--diff", "-vvv", "--debug"]


def shown(output: str, values: list[str]) -> list[str]:
    """What an output gives away: values, as they are or in base64, and verifiers."""
    forms = [*values, "SCRAM-SHA-256$"]
    for value in values:
        # The three alignments base64 text can have; the ends depend on the neighbours.
        forms += [base64.b64encode(b" " * shift + value.encode()).decode()[4:-4] for shift in range(3)]
    return [form for form in forms if form in output]


def test_a_shown_secret_would_be_noticed() -> None:
    value = secrets.token_hex(32)
    assert shown(f"a {value}", [value]) == [value]
    for neighbour in ("", "x", "xy"):
        assert shown(base64.b64encode(f"{neighbour}{value}\n".encode()).decode(), [value])


def test_no_output_of_a_plan_and_an_apply_shows_a_secret(host: Host) -> None:
    values = renew(host)
    run = host.project.pyinfra("deploy.py", *LOUD, stdin="\n").require_success()
    assert f"Will change {STAGE}: key secret_key_base differs" in run.output
    assert f"Will change {VARIABLES}: key secret_key_base differs" in run.output
    assert f"sha256sum {STAGE}" in run.output
    assert shown(run.output, values) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy.py", "--dry", "--json", *LOUD],
        ["deploy.py", "--debug-operations", *LOUD],
        ["deploy.py", "--yes", *LOUD],
        ["debug-inventory", *LOUD],
    ],
    ids=" ".join,
)
def test_no_output_of_any_command_shows_a_secret(files: Host, arguments: list[str]) -> None:
    values = renew(files)
    run = files.project.pyinfra(*arguments).require_success()
    assert "stage" in run.output
    assert shown(run.output, values) == []


FAILURES = {
    # what makes it fail, and what takes that back
    "group missing": ("groupmod --new-name away billing_stage", "groupmod --new-name billing_stage away"),
    "directory in the way": (f"rm -f {STAGE} && mkdir {STAGE}", f"rmdir {STAGE}"),
    "directory of the variables gone": ("mv /var/lib/billing_stage /root/away", "mv /root/away /var/lib/billing_stage"),
    "no room": ("mount -t tmpfs -o size=4k,mode=755 tmpfs /home/billing/stage/private && chown billing: "
                "/home/billing/stage/private && dd if=/dev/zero of=/home/billing/stage/private/full bs=4k count=1 2>&1",
                "umount /home/billing/stage/private"),
}  # fmt: skip


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(name, marks=[] if name in ("group missing", "no room") else [pytest.mark.everything])
        for name in FAILURES
    ],
)
def test_no_output_of_a_failing_step_shows_a_secret(files: Host, failure: str) -> None:
    machine = files.machine
    values = renew(files)
    break_it, mend_it = FAILURES[failure]
    machine.run(break_it)
    run = files.project.apply(*LOUD)
    left = machine.run("ls -A /var /var/lib/billing_stage /home/billing/stage/private", check=False).stdout
    machine.run(mend_it)
    assert run.exit_code == 1
    assert shown(run.output, values) == []
    assert "secret.exs." not in left
    assert "cookie." not in left
    assert "variables.secret." not in left
    files.project.apply().require_success()


def test_no_traceback_shows_a_secret(files: Host) -> None:
    values = renew(files)
    template = files.project.path / "templates/secret.exs.j2"
    text = template.read_text()
    template.write_text(text + "{{ secrets.application.nonsense }}")
    run = files.project.apply(*LOUD)
    template.write_text(text)
    assert run.exit_code == 1
    assert "Traceback" in run.output
    assert "nonsense" in run.output
    assert shown(run.output, values) == []
    files.project.apply().require_success()


# --- Elixir reads them back ------------------------------------------------------------------------------------------


READ = """\
defmodule Flat do
  def lines(path, value) when is_binary(value), do: [Enum.join(path, " ") <> " " <> Base.encode64(value)]
  def lines(path, value) when is_integer(value), do: lines(path, Integer.to_string(value))
  def lines(path, values), do: Enum.flat_map(values, fn {key, value} -> lines(path ++ [Atom.to_string(key)], value) end)
end

for line <- Flat.lines([], Config.Reader.read!("/secret/file.exs")), do: IO.puts(line)
"""

NASTY = {
    "quotes": "\"'\"\"\"'''",
    "backslashes": "\\ \\\\ \\n \\u{41} \\x41 \\#{1}",
    "trailing_backslash": "\\",
    "interpolation": '#{System.halt(1)} #{IO.puts("run")} #{ \\#{ ##{}',
    "sigils": '~s(a) ~S"b" ~w[c] ~r/d/ <%= 1 %> <<1>> &1 ?a',
    "shell": "$HOME ${HOME} $(id) `id` % ! ; | & * ~",
    "jinja": "{{ secrets }} {% raw %} {# no #}",
    "newlines": "-----BEGIN\nKEY-----\r\nend\n",
    "comment": "# no comment",
    "unicode": "é ☃ 𝄞 \U0001f469\u200d\U0001f467 e\u0301",
    "invisible": "\u202e\u2066\u200b\ufeff\u2028\u2029\u00a0\u00ad",
    "control": "".join(map(chr, [*range(1, 32), *range(127, 160)])),
    "noncharacters": "\ufffe\uffff\U0010ffff\ue000\ufdd0",
    "empty": "",
    "long": "0123456789" * 1000,
    "many_bytes": "☃" * 20_000,
    "do": "do",
    "end": "end",
    "nil": "nil",
    "fn": "fn",
    "when": "when",
}


@pytest.mark.parametrize("tool", ["mix", "distillery"])
def test_elixir_reads_every_value_back(files: Host, tool: str, tmp_path: Path) -> None:
    """Byte for byte, and without running any of it."""
    files.project.edit("stage", release_tool=tool)
    password = """p "a' \\ #{System.halt(1)} ☃é\\"""
    own = {"database_password": password, "secret_key_base": NASTY["control"] + NASTY["quotes"] * 20,
           "appsignal_push_api_key": NASTY["interpolation"]}  # fmt: skip
    files.project.set_secrets("stage", **own, **NASTY)
    files.project.apply("--limit", "stage").require_success()

    written = base64.b64decode(files.machine.run(f"base64 {STAGE}").stdout)
    assert written.startswith(b"# Managed by")
    assert (b"use Mix.Config" in written) == (tool == "distillery")
    (tmp_path / "file.exs").write_bytes(written)
    (tmp_path / "read.exs").write_text(READ)
    tree = image(files.machine.release, "elixir")
    run = run_in(tree, "elixir /secret/read.exs </dev/null", binds={tmp_path: ("/secret", True)})

    assert run.returncode == 0, run.stderr
    read = dict(line.rsplit(" ", 1) for line in run.stdout.splitlines())
    expected = {
        "billing Elixir.Billing.Repo username": "billing_stage",
        "billing Elixir.Billing.Repo password": password,
        "billing Elixir.Billing.Repo database": "billing_stage",
        "billing Elixir.Billing.Repo hostname": "127.0.0.1",
        "billing Elixir.Billing.Repo port": "5432",
        "billing Elixir.BillingWeb.Endpoint secret_key_base": own["secret_key_base"],
        "appsignal config push_api_key": own["appsignal_push_api_key"],
    } | {f"billing {key}": value for key, value in NASTY.items()}
    missing = {key: value for key, value in expected.items() if base64.b64decode(read.get(key, "")) != value.encode()}
    assert missing == {}
    assert set(read) - set(expected) <= {"billing mailer_key"}


@pytest.mark.everything
def test_systemd_reads_every_value_back(files: Host) -> None:
    """Byte for byte, and into the unit's one-off commands, too: they have the same line of the unit."""
    # systemd cannot carry noncharacters: the vault refuses them.
    values = {f"V_{name.upper()}": value for name, value in NASTY.items() if name != "noncharacters"}
    # Nearly all that a vault may hold of them.
    values |= {f"V_LONG_{number}": "%" * 60_000 for number in range(15)}
    files.project.edit("stage", secret_variables=["STRIPE_KEY", *values], release_tool=None)
    files.project.set_secrets("stage", database_password="p:a/s@s?#%41 word", **values)
    files.project.apply("--limit", "stage").require_success()
    files.machine.run(
        f"systemd-run --quiet --wait --property EnvironmentFile=/etc/default/billing_stage --property "
        f"EnvironmentFile={VARIABLES} --property StandardOutput=truncate:/run/seen env -0"
    )
    seen = dict(
        part.split("=", 1) for part in inside(files.machine, "/run/seen").read_bytes().decode().split("\0") if part
    )
    assert {name: seen.get(name) for name in values} == values
    assert (
        seen["DATABASE_URL"] == "postgres://billing_stage:p%3Aa%2Fs%40s%3F%23%2541%20word@127.0.0.1:5432/billing_stage"
    )
    assert seen["SECRET_KEY_BASE"] == files.project.secrets("stage")["secret_key_base"]
    assert seen["PORT"] == "4001"
    assert planned_and_applied(files.project, "stage") == [[], []]


# --- The files -------------------------------------------------------------------------------------------------------


def listing(machine: Machine) -> dict[str, str]:
    """Owner, group and mode of the secret files and the directory of the cookie."""
    paths = f"{STAGE} {VARIABLES} {COOKIE} /home/billing/stage/private"
    lines = machine.run(f"stat --format '%n %U:%G %a' {paths}").stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)


RIGHT = {
    STAGE: "root:billing_stage 640",
    VARIABLES: "root:root 600",
    COOKIE: "billing_stage:billing_stage 400",
    "/home/billing/stage/private": "billing_stage:billing_stage 700",
}


@pytest.mark.everything
def test_owners_and_modes(files: Host) -> None:
    files.project.apply().require_success()
    assert listing(files.machine) == RIGHT
    cookie = files.project.secrets("stage")["cookie"]
    assert files.machine.run(f"cat {COOKIE}").stdout == f"{cookie}\n"
    assert files.machine.run("id --name --groups billing").stdout == "billing systemd-journal\n"
    assert files.machine.run(f"cat {STAGE}", user="billing", check=False).returncode != 0
    assert planned_and_applied(files.project, "stage") == [[], []]


DRIFTS = {
    "readable by all": (f"chmod 644 {STAGE}", "Secret file and database password"),
    "another owner": (f"chown billing:billing {STAGE}", "Secret file and database password"),
    "edited": (f"echo '# by hand' >> {STAGE}", "Secret file and database password"),
    "gone": (f"rm {STAGE}", "Secret file and database password"),
    "a link": (f"mv {STAGE} /root/away && ln -s /root/away {STAGE}", "Secret file and database password"),
    "variables readable by all": (f"chmod 644 {VARIABLES}", "Secret file and database password"),
    "variables edited": (f"echo PORT=1 >> {VARIABLES}", "Secret file and database password"),
    "variables gone": (f"rm {VARIABLES}", "Secret file and database password"),
    "cookie readable by all": (f"chmod 444 {COOKIE}", "Erlang cookie"),
    "cookie edited": (f"echo other > {COOKIE}", "Erlang cookie"),
}


@pytest.mark.everything
@pytest.mark.parametrize("drift", DRIFTS)
def test_a_change_by_hand_is_listed_and_undone(files: Host, drift: str) -> None:
    statement, operation = DRIFTS[drift]
    content = files.machine.run(f"sha256sum {STAGE} {VARIABLES} {COOKIE}").stdout
    files.machine.run(statement)
    assert planned_and_applied(files.project, "stage") == [[operation], [operation]]
    assert listing(files.machine) == RIGHT
    assert files.machine.run(f"sha256sum {STAGE} {VARIABLES} {COOKIE}").stdout == content


@pytest.mark.parametrize("kept", [0, 10, 64, 65, 100, -1])
def test_a_connection_that_breaks_leaves_the_old_file(files: Host, kept: int) -> None:
    machine = files.machine
    content = "x" * 100_000 + "\n"
    whole = f"{sha256(content.encode()).hexdigest()} {len(content)}\n{content}"
    install = f"sh -c {shlex.quote(program.text('install_file.sh'))} sh /root/secret root:root 600"
    machine.run(install, stdin=whole)
    before = machine.run("ls -la --time-style=full-iso /root; sha256sum /root/secret").stdout
    broken = machine.run(install, stdin=whole[:kept], check=False)
    assert broken.returncode == 1
    assert broken.stderr == "the content of /root/secret did not arrive whole: the file is as it was, apply again\n"
    # The directory's own time changes with the temporary file.
    after = machine.run("ls -la --time-style=full-iso /root; sha256sum /root/secret").stdout
    assert [line for line in after.splitlines() if not line.endswith(" .")] == [
        line for line in before.splitlines() if not line.endswith(" .")
    ]
