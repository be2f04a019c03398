"""Releases of the other tool, Distillery, and the commands of the site and the release that data can replace."""

from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.load import Load
from tests.host.releases import Variant, as_distillery, build_variants, page
from tests.host.releasing import Changed, entry_point, log, migrations, release, version

pytestmark = BOOKWORM

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")
CRASHING = Variant("stage", "0.3.0", "crash")
VM_ARGS = "-name billing_stage@127.0.0.1\n-smp auto\n"


@pytest.fixture(scope="module")
def distillery(host: Host, release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """Tarballs laid out as by Distillery, their secrets built in; and stage prepared for that tool."""
    host.project.edit("stage", release_tool="distillery", settle_time=3)
    host.project.apply().require_success()
    directory = tmp_path_factory.mktemp("distillery")
    secrets = host.machine.run("cat /var/stage.secret.exs").stdout
    built = build_variants(release, directory, [OLD, NEW, CRASHING], secrets)
    return {
        variant: Changed(tarball, directory / f"{variant.version}.tar.gz").by(lambda tree: as_distillery(tree, VM_ARGS))
        for variant, tarball in built.items()
    }


def test_distillery_is_released_and_gone_back_from(host: Host, distillery: dict[Variant, Path]) -> None:
    """Complaint: the old version boots, which Distillery's start_erl.data leads to after going back."""
    machine = host.machine
    for variant in (OLD, NEW):
        assert (
            f"{variant.version} runs and answers."
            in release(host, "stage", distillery[variant]).require_success().output
        )
    assert (version(machine, "stage"), len(migrations(machine, "stage"))) == ("0.2.0", 2)
    assert "-name billing_stage@127.0.0.1" in machine.run("cat /home/billing/stage/private/var/vm.args").stdout
    entry_point(host, "deploys/rollback.py", "stage").require_success()
    assert version(machine, "stage") == "0.1.0"
    assert machine.run("cat /home/billing/stage/private/var/start_erl.data").stdout.split()[1] == "0.1.0"


@pytest.mark.everything
def test_a_distillery_release_that_fails(host: Host, distillery: dict[Variant, Path]) -> None:
    run = release(host, "stage", distillery[CRASHING])
    assert (run.exit_code, "FAILED: billing_stage.service ended by itself" in run.output) == (1, True), run.output
    assert version(host.machine, "stage") == "0.1.0"
    assert log(host.machine, "stage")[-1] == ("release", "0.3.0", "failed")


@pytest.mark.everything
def test_distillery_has_a_stand_in_with_a_node_of_its_own(host: Host, distillery: dict[Variant, Path]) -> None:
    host.project.edit("stage", release_strategy="stand_in")
    host.project.apply("--limit", "stage").require_success()
    with Load(host.machine.address) as load:
        run = entry_point(host, "deploys/release.py", "stage", VERSION="0.2.0").require_success()
    assert "The stand-in serves" in run.output
    assert (version(host.machine, "stage"), load.failed) == ("0.2.0", [])
    entry_point(host, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
    host.project.edit("stage", release_strategy=None)
    host.project.apply("--limit", "stage").require_success()


def test_a_distillery_tarball_is_nobody_elses(host: Host, distillery: dict[Variant, Path]) -> None:
    """It holds the secrets: those who may not read the secret file must not read the release either."""
    password = host.project.secrets("stage")["database_password"].encode()
    # As Erlang writes a binary to sys.config.
    needle = ",".join(map(str, password))
    assert needle in (distillery[OLD].with_suffix(".tree") / "releases/0.1.0/sys.config").read_text()
    search = "grep -rlsF -f - /home /var /tmp /run /etc"
    assert (
        "/home/billing/stage/releases/0.1.0/releases/0.1.0/sys.config" in host.machine.run(search, stdin=needle).stdout
    )
    assert host.machine.run(search, user="nobody", stdin=needle, check=False).stdout == ""
    assert host.machine.run(search, user="devops", stdin=needle, check=False).stdout == ""


@pytest.mark.everything
def test_a_new_password_gets_into_the_next_distillery_release(
    host: Host, distillery: dict[Variant, Path], release: str, tmp_path: Path
) -> None:
    """It is built in, and a task must not take version and configuration of the running release for its own."""
    machine, new = host.machine, Variant("stage", "0.4.0")
    host.project.set_secrets("stage", database_password="another-password-of-the-database")
    host.project.apply("--limit", "stage").require_success()
    run = entry_point(host, "deploys/release.py", "stage", TARBALL=str(distillery[NEW]))
    assert (run.exit_code, "password authentication failed" in run.output) == (1, True), run.output
    built = build_variants(release, tmp_path, [new], machine.run("cat /var/stage.secret.exs").stdout)
    tarball = Changed(built[new], tmp_path / "0.4.0.tar.gz").by(lambda tree: as_distillery(tree, VM_ARGS))
    entry_point(host, "deploys/release.py", "stage", TARBALL=str(tarball)).require_success()
    assert (version(machine, "stage"), page(machine, "stage", path="/health").status) == ("0.4.0", 200)


@pytest.mark.everything
def test_a_first_release_that_fails_leaves_none(host: Host, tarballs: dict[str, Path], tmp_path: Path) -> None:
    def fail_at_start(tree: Path) -> None:
        (next(tree.glob("lib/billing-*")) / "priv/fail").write_text("start")

    broken = Changed(tarballs["prod"], tmp_path / "broken.tar.gz").by(fail_at_start)
    run = release(host, "prod", broken)
    assert (run.exit_code, "There was no release before: stopping" in run.output) == (1, True), run.output
    assert host.machine.run("ls /home/billing/prod").stdout.split() == ["appsignal", "private", "releases"]
    assert host.machine.run("systemctl --failed --no-legend | grep billing_prod.service", check=False).stdout == ""
    assert page(host.machine, "prod").status == 502
    # A build that failed may come again under its version.
    release(host, "prod", tarballs["prod"]).require_success()


@pytest.mark.everything
def test_a_restricted_site_is_asked_by_its_own_host(restored: Host, tarballs: dict[str, Path]) -> None:
    """Neither an address that is not allowed nor the password it does not have keeps a release from being checked."""
    host = restored
    host.project.edit("prod", allowed_addresses=["192.0.2.0/24"], basic_auth_user="team")
    host.project.set_secrets("prod", basic_auth_password="correct horse battery")
    host.project.apply().require_success()
    release(host, "prod", tarballs["prod"]).require_success()
    assert page(host.machine, "prod").status == 403
    assert page(host.machine, "prod", path="/health").status == 403
    host.project.edit("prod", allowed_addresses=None)
    host.project.apply().require_success()
    assert page(host.machine, "prod").status == 401
    assert page(host.machine, "prod", path="/health").status == 401
    assert "0.1.0 runs and answers." in entry_point(host, "deploys/restart.py", "prod").require_success().output


@pytest.mark.everything
def test_commands_are_data(restored: Host, tarballs: dict[str, Path]) -> None:
    """Whatever characters they have; and "after" migrates when the new release runs, as edeliver did."""
    host = restored
    text = "$HOME ${X} %n %% `id` \\\\ 'q' $$ end"
    host.project.edit("prod", migrate="after", migrate_command=f'IO.puts("{text}"); Billing.Release.migrate()')
    host.machine.run(
        "cd / && runuser -u postgres -- psql -qd billing_prod -c 'DELETE FROM schema_migrations; DROP TABLE invoices'"
    )
    host.machine.run("rm -r /home/billing/prod/billing; systemctl stop billing_prod")
    run = release(host, "prod", tarballs["prod"]).require_success()
    assert text.replace("\\\\", "\\") in run.output
    assert run.output.index("runs and answers") < run.output.index("Migrating:")


@pytest.mark.everything
def test_commands_are_in_the_sandbox_of_the_unit(restored: Host) -> None:
    """A migration sees what the application sees: of /home its own environment alone, and no other's secret file."""
    seen = "{File.ls!(~s(/home/billing)), File.read(~s(/var/stage.secret.exs)), System.get_env(~s(PORT))}"
    expected = "{[~s(prod)], {:error, :eacces}, ~s(4000)}"
    # Where the running node can tell that none is pending, no command is needed.
    alone = "if Node.alive?(), do: raise(~s(ask a command)), else: Billing.Release.migrations()"
    restored.project.edit("prod", migrations_command=f"{expected} = {seen}; {alone}")
    assert "No migration is pending." in entry_point(restored, "deploys/migrate.py", "prod").require_success().output
