"""The output of `make demo` after both environments are applied: the machine from the view of its users and neighbours."""

import http.client
import json
import os
import shlex
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping

from commands import deployment
from group_data.schema.environment import Environment
from group_data.schema.paths import CHECKOUT
from preflight.inventory import load
from preflight.options import process_environment
from tests.sandbox import example
from tests.sandbox.vaults import VAULTS

PYINFRA = [sys.executable, "-m", "pyinfra", "inventory.py", "deploy.py"]
QUIET_PYINFRA = [sys.executable, *deployment.PYINFRA, "inventory.py", "deploy.py"]
SSH = ["ssh", "-F", str(CHECKOUT / ".sandbox/ssh_config"), "sandbox"]

NEXT = """\
The machine stays up. What to type next:

  make plan ENV=stage       nothing would change; edit group_data/stage.py, and
                            see what would
  make apply ENV=stage      do it
  make status               how both are doing
  make releases             the releases on the machine, and how each ended
  make rollback ENV=stage   back to the first version; make release ENV=stage
                            VERSION=… brings the second one again
  make sandbox-ssh          log in to the machine
  make sandbox-down         remove it

Your own server: change HOST in inventory.py. The rest is in the README, "Your
first real server"."""


def main() -> int:
    """Apply and show everything. Returns 1 if that fails, or if the second plan is not empty."""
    environments = load()
    others = [name for name, environment in environments.items() if environment.vault_directory != VAULTS]
    if others:
        print(
            f"inventory.py points {', '.join(others)} at a machine of your own: a demonstration would change it.\n"
            'Set HOST = "sandbox" for the time of the demonstration.',
            file=sys.stderr,
        )
        return 1
    heading("Apply")
    # Without a plan, which would show every file of a new machine.
    quiet = process_environment({"QUIET": "1"})
    if subprocess.run([*QUIET_PYINFRA, "--yes"], cwd=CHECKOUT, env=quiet, check=False).returncode:
        return 1
    address = _address()
    _show_sites(f"From outside, before the first release: HTTP to {address}", address, environments)
    for scheme in ("http", "https"):
        _show_answer(f"{scheme}://unknown.example.org", ask(address, "unknown.example.org", tls=scheme == "https"))
    repository = example.make_repository(CHECKOUT / ".sandbox/billing")
    first, *others = environments
    if _make("update", f"ENV={first}"):
        return 1
    example.commit_next_version(repository)
    if _make("update", f"ENV={first}"):
        return 1
    _show_sites(f"From outside, {first} released and upgraded", address, environments)
    if any(_make("promote", f"FROM={first}", f"ENV={name}") for name in others):
        return 1
    _show_sites(f"From outside, the release of {first} promoted", address, environments)
    heading("From outside, past nginx")
    for environment in environments.values():
        _show_answer(f"http://{address}:{environment.port}", _reached(address, environment.port))
    for title, command in inside(list(environments.values())).items():
        heading(title)
        print(indented(on_machine(command)))
    heading("A second plan")
    changes = planned_changes()
    print(f"  {', '.join(changes) if changes else 'No changes: the machine is as the data says.'}")
    print(f"\n{NEXT}")
    return 1 if changes else 0


def _show_sites(title: str, address: str, environments: Mapping[str, Environment]) -> None:
    heading(title)
    for environment in environments.values():
        _show_answer(environment.url, ask(address, environment.domain, tls=environment.tls != "none"))


def _reached(address: str, port: int) -> str:
    # Two seconds: this machine is next door, and its firewall does not answer at all.
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return "no answer: the machine keeps this port to itself"
    return "ANSWERS"


def _show_answer(url: str, answer: str) -> None:
    # Below each other: a version with its stamp leaves no room on a terminal of 80 columns.
    print(f"  {url}\n{indented(answer, 6)}")


def _make(*arguments: str) -> int:
    """A target of the Makefile, as typed."""
    command = ["make", *arguments, "YES=1"]
    heading(" ".join(command))
    return subprocess.run([*command, "--no-print-directory"], cwd=CHECKOUT, check=False).returncode


def inside(environments: list[Environment]) -> dict[str, str]:
    """Sections about the machine's inside: a title, and a command that root runs there."""
    units = f"systemctl list-unit-files --no-legend {' '.join(environment.unit for environment in environments)}"
    names = ", ".join(f"'{environment.database}'" for environment in environments)
    paths = " ".join(f"{environment.secret_path} {environment.root}/*" for environment in environments)
    first = environments[0]
    return {
        "Units": f"{units} | awk '{{ print $1, $2 }}'",
        "PostgreSQL: databases and their owners": "sudo -u postgres psql -XAtF ' owned by ' -d postgres -c "
        f'"SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname IN ({names})"',
        "Secret files, private and AppSignal directories": f"ls -ld {paths}",
        f"Aliases of {first.login}": f"cat {first.home}/.bash_aliases",
        "Listening: the application on all interfaces, behind nftables": "ss -Hltn | awk '{ print $4 }' | sort -u",
    }


def ask(address: str, name: str, *, tls: bool) -> str:
    """A browser's view under this name."""
    try:
        connection = _tls_connection(address, name) if tls else http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/", headers={"Host": name})
        response = connection.getresponse()
    except ssl.SSLError:
        return "TLS handshake refused"
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return "connection closed without an answer"
    text = response.read().decode()
    if response.status == 502:
        return f"{response.status} {response.reason} (the page shown until a release answers)"
    said = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    return f"{response.status} {response.reason}\nversion {said.get('version')}\nnode {said.get('node')}"


def _tls_connection(address: str, name: str) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    # The demonstration's certificate is self-signed: a browser would warn.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(name, timeout=10)
    raw = socket.create_connection((address, 443), timeout=10)
    connection.sock = context.wrap_socket(raw, server_hostname=name)
    return connection


def planned_changes() -> list[str]:
    """The operations of a second apply, by name."""
    run = subprocess.run([*PYINFRA, "--dry", "--json"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(run.stderr)
    return [operation["name"] for operation in json.loads(run.stdout)["plan"] if operation["hosts_with_change"]]


def on_machine(command: str) -> str:
    """Output of a command that root runs there."""
    remote = f"sudo sh -c {shlex.quote(command)}"
    run = subprocess.run([*SSH, remote], capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def heading(title: str) -> None:
    """One section's title, bold on a terminal unless NO_COLOR is set."""
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(f"\n\033[1m{title}\033[0m" if bold else f"\n{title}")


def indented(text: str, columns: int = 2) -> str:
    """Every line moved in.

    + columns: how far
    """
    return "\n".join(f"{' ' * columns}{line}" for line in text.splitlines())


def _address() -> str:
    resolved = subprocess.run([*SSH[:-1], "-G", "sandbox"], capture_output=True, text=True, check=True).stdout
    return next(line.split()[1] for line in resolved.splitlines() if line.startswith("hostname "))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted: run make demo again to finish.")
