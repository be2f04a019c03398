"""What this repository remembers of environments that the data no longer has."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyinfra.api import Inventory

from group_data.schema.inventory import read_environments
from inspection import local
from preflight import known_machines
from preflight.known_machines import Entry
from tests.unit.conftest import PROD, STAGE


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with vaults of two environments, which were prepared on a server."""
    (tmp_path / "vault").mkdir()
    (tmp_path / ".releases/stage").mkdir(parents=True)
    for name in ("stage", "prod"):
        (tmp_path / f"vault/{name}.age").touch()
    (tmp_path / "vault/machines.txt").write_text(
        "# of apply\n\nbilling stage server.example.com\nbilling prod server.example.com\nbad line\n"
    )
    for module in (local, known_machines):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    monkeypatch.setattr(local, "RELEASES", tmp_path / ".releases")
    return tmp_path


def remember(repository: Path, *lines: str) -> None:
    with (repository / "vault/machines.txt").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


@pytest.fixture
def hosts(inventory: Callable[..., Inventory]) -> Inventory:
    server = {"ssh_hostname": "server.example.com"}
    return inventory(stage=STAGE | server, prod=PROD | server)


def found(hosts: Inventory, *on_machines: str) -> list[tuple[str, str]]:
    return list(local.find(hosts, read_environments(hosts), on_machines))


def test_nothing_is_left_of_environments_that_there_are(repository: Path, hosts: Inventory) -> None:
    assert known_machines.read(repository / "vault/machines.txt") == [
        Entry("billing", "stage", "server.example.com"),
        Entry("billing", "prod", "server.example.com"),
    ]
    assert found(hosts) == []


def test_a_last_line_without_its_end_stays_a_line(repository: Path) -> None:
    path = repository / "vault/machines.txt"
    path.write_text("billing stage server.example.com")
    for _ in range(2):
        known_machines.add(path, Entry("billing", "qa", "qa.example.com"))
    assert path.read_text() == "billing stage server.example.com\nbilling qa qa.example.com\n"


def test_a_machine_that_left_the_inventory(repository: Path, hosts: Inventory) -> None:
    remember(repository, "billing qa qa.example.com")
    [(thing, command)] = found(hosts)
    assert thing.startswith("environment billing_qa on qa.example.com, which the inventory no longer has")
    assert command.endswith("sed -i '/^billing qa qa[.]example[.]com$/d' vault/machines.txt")


def test_an_environment_that_left_a_machine_is_named_as_long_as_something_is_left(
    repository: Path, hosts: Inventory
) -> None:
    remember(repository, "billing qa server.example.com")
    assert found(hosts, "database billing_qa sudo -u postgres dropdb billing_qa") == []
    [(thing, _)] = found(hosts)
    assert thing == "line of billing_qa in vault/machines.txt, of which nothing is left on server.example.com"


def test_an_application_that_left_the_inventory_is_looked_for(repository: Path, hosts: Inventory) -> None:
    remember(repository, "shop prod server.example.com", "shop prod other.example.com", "billing qa server.example.com")
    environments = read_environments(hosts)
    assert local.former_applications(hosts, environments, "server.example.com") == ["shop"]
    assert local.former_applications(hosts, environments, "third.example.com") == []


def test_vaults_and_tarballs_of_no_environment(repository: Path, hosts: Inventory) -> None:
    (repository / "vault/qa.age").touch()
    for name in ("qa", "lfs"):
        (repository / ".releases" / name).mkdir()
    (repository / ".releases/qa/billing-0.1.0.tar.gz").touch()
    # Caches of builds are no tarballs.
    assert [thing for thing, _ in found(hosts)] == ["vault vault/qa.age", "tarballs in .releases/qa"]
