"""The actions that power cuts try, and the machine for them."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host.conftest import Host, Prepared
from tests.host.cuts import Action, deploy, install_stand_ins
from tests.host.project import Project, Run
from tests.host.releases import Variant, seed_application
from tests.host.releasing import entry_point, linked, psql, release
from tests.sandbox.machine import boot

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")
PROD = Variant("prod", "0.1.0", migrations=1)
VARIANTS = (OLD, NEW, PROD)

# Of the repository; the releases of VARIANTS have no stamp.
_BUILDS = "/var/lib/billing_stage/artifacts/billing-0.1.0+*"

_DATABASES = "(cd / && runuser -u postgres -- psql -XAtc 'SELECT datname FROM pg_database')"

_SECOND_MIGRATION = "20260201000000"


@contextmanager
def machine(
    prepared: Prepared, built: dict[Variant, Path], directory: Path, *, builds: bool = True, strategy: str = "restart"
) -> Iterator[Host]:
    """A machine whose disk forgets, with 0.1.0 in both environments.

    + prepared: disk that it starts from
    + built: tarballs of VARIANTS
    + directory: an empty place
    + builds: whether it can build; the compiler's packages take a minute
    + strategy: release_strategy of both environments
    """
    project = Project.copy(directory / "project", prepared.vaults)
    project.edit(
        "all",
        settle_time=1,
        release_strategy=strategy,
        repository=str(repository(directory)),
        build_packages=["erlang-p1-pgsql"],
    )
    with boot(release=prepared.release, directory=project.sandbox, layers=[prepared.layer], forgets=True) as booted:
        host = Host(booted, project)
        project.apply().require_success()
        for variant in (PROD, OLD):
            release(host, variant.environment, built[variant]).require_success()
        if builds:
            project.make("build", "ENV=stage").require_success()
        install_stand_ins(host)
        booted.sync()
        yield host


def repository(directory: Path) -> Path:
    path = seed_application(directory / "billing")
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message=all"],
    ):
        subprocess.run(["git", "-C", str(path), *identity, *words], check=True, capture_output=True)
    return path


@contextmanager
def bare_machine(release: str, vaults: Path, directory: Path) -> Iterator[Host]:
    """A machine whose disk forgets, to which nothing was applied.

    + release: trixie or bookworm
    + vaults: secrets of the first apply
    + directory: an empty place
    """
    project = Project.copy(directory / "project", vaults)
    with boot(release=release, directory=project.sandbox, forgets=True) as booted:
        host = Host(booted, project)
        install_stand_ins(host)
        booted.sync()
        yield host


def actions(built: dict[Variant, Path]) -> dict[str, Action]:
    """Every action by its name.

    + built: tarballs of VARIANTS
    """

    def on_old(host: Host) -> None:
        without_second_migration(host)
        if linked(host.machine, "stage") != "0.1.0":
            entry_point(host, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
        host.machine.run("cd /home/billing/stage/releases && ls -A | grep -vx 0.1.0 | xargs -r rm -r")
        host.machine.run("rm -f /var/lib/billing_stage/artifacts/billing-0.2*")

    def on_new(host: Host) -> None:
        if linked(host.machine, "stage") != "0.2.0" or _last_record(host)[1:] != ["0.2.0", "good"]:
            release(host, "stage", built[NEW]).require_success()

    def unmigrated(host: Host) -> None:
        on_new(host)
        without_second_migration(host)

    def changed(host: Host) -> None:
        on_new(host)
        host.project.edit("stage", memory_limit=500 + secrets.randbelow(500))

    def rotated(host: Host) -> None:
        on_new(host)
        host.project.set_secrets("stage", database_password=secrets.token_hex(16))

    def with_dump(host: Host) -> None:
        on_new(host)
        if not _dump(host):
            without_second_migration(host)
            entry_point(host, "deploys/migrate.py", "stage").require_success()
        for name in _kept(host):
            host.machine.run(f"cd / && runuser -u postgres -- dropdb --force {name}")

    def without_builds(host: Host) -> None:
        on_new(host)
        host.machine.run(f"rm -f {_BUILDS}")

    def release_again(host: Host) -> Run:
        return release(host, "stage", built[NEW])

    def rollback_again(host: Host) -> Run:
        if linked(host.machine, "stage") == "0.1.0":
            return entry_point(host, "deploys/restart.py", "stage")
        return entry_point(host, "deploys/rollback.py", "stage")

    def apply_again(host: Host) -> Run:
        return host.project.apply()

    def migrate_again(host: Host) -> Run:
        return entry_point(host, "deploys/migrate.py", "stage")

    def restore_again(host: Host) -> Run:
        # After a restore that ended well, the next one removes the database that this one kept.
        if _last_record(host) == ["restore", "0.2.0", "good"] and _kept(host):
            return entry_point(host, "deploys/restart.py", "stage")
        return entry_point(host, "deploys/restore.py", "stage", DUMP=_dump(host))

    def build_again(host: Host) -> Run:
        return host.project.make("build", "ENV=stage")

    tarball = str(built[NEW])
    every = (
        Action(
            "release",
            on_old,
            lambda _: deploy("deploys/release.py", TARBALL=tarball),
            release_again,
            ("0.1.0", "0.2.0"),
        ),
        Action("rollback", on_new, lambda _: deploy("deploys/rollback.py"), rollback_again, ("0.2.0", "0.1.0")),
        Action("migrate", unmigrated, lambda _: deploy("deploys/migrate.py"), migrate_again, ("0.2.0",)),
        Action("apply", changed, lambda _: deploy("deploy.py"), apply_again, ("0.2.0",)),
        Action(
            "build",
            without_builds,
            lambda _: deploy("deploys/build.py", BUILD="stage"),
            build_again,
            ("0.2.0",),
            f"ls {_BUILDS} && cd /var/lib/billing_stage/artifacts && sha256sum --check --status *.sha256",
        ),
        Action(
            "restore",
            with_dump,
            lambda host: deploy("deploys/restore.py", DUMP=_dump(host)),
            restore_again,
            ("0.2.0",),
            f"{_DATABASES} | grep -q ^billing_stage_before_ && ! {_DATABASES} | grep -qx billing_stage_restore",
        ),
        Action("rotation", rotated, lambda _: deploy("deploy.py"), apply_again, ("0.2.0",)),
    )
    return {action.name: action for action in every}


def _dump(host: Host) -> str:
    """The newest dump; nothing without one."""
    return host.machine.run(
        "cd /var/lib/billing_stage/backups && ls | grep 'dump$' | sort -V | tail -n 1"
    ).stdout.strip()


def _kept(host: Host) -> list[str]:
    return host.machine.run(f"{_DATABASES} | grep ^billing_stage_before_ || true").stdout.split()


def _last_record(host: Host) -> list[str]:
    """Action, version and outcome of the last record. A cut may have left a damaged line before it."""
    last = host.machine.run("tail -n 1 /var/lib/billing_stage/revisions.log").stdout.rstrip("\n").split("\t")
    return [*last[2:4], *last[5:6]]


def without_second_migration(host: Host) -> None:
    if psql(host.machine, "stage", f"SELECT 1 FROM schema_migrations WHERE version = {_SECOND_MIGRATION}"):
        psql(host.machine, "stage", f"DELETE FROM schema_migrations WHERE version = {_SECOND_MIGRATION}")
        psql(host.machine, "stage", "ALTER TABLE invoices DROP COLUMN IF EXISTS paid")
