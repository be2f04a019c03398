"""What doctor says about migrations that are not applied, and about databases that a restore kept."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pyinfra.api import FactBase

from group_data.schema.environment import Environment
from inspection import diagnosis_database
from operations.clusters import ClusterTroubles
from operations.foreign_tables import ForeignTables
from operations.release.dumps import Dumps, DumpsOnHost
from operations.release.migrations import MigrationsOfNode

FIRST, SECOND, THIRD = "20260101000000", "20260201000000", "20260301000000"
KEPT = "billing_stage_before_20261128101500"

Answers = Mapping[type[FactBase[Any]], object]


def found(monkeypatch: pytest.MonkeyPatch, environment: Environment, answers: Answers) -> list[tuple[str, str]]:
    """The findings and their advice for a host that gives these answers; another question fails."""
    known: Answers = {ClusterTroubles: [], ForeignTables: [], **answers}
    monkeypatch.setattr(diagnosis_database, "fact", lambda _, kind, **__: known[kind])
    return [(one.what, one.mend) for one in diagnosis_database.database_findings(None, environment)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("migrations", "what"),
    [
        (None, None),
        ([("up", FIRST)], None),
        ([("up", FIRST), ("down", SECOND)], f"a migration of the running release is not applied: {SECOND}"),
        (
            [("up", FIRST), ("down", SECOND), ("down", THIRD)],
            f"2 migrations of the running release are not applied: {SECOND}, {THIRD}",
        ),
    ],
)
def test_migrations_that_are_not_applied(
    monkeypatch: pytest.MonkeyPatch,
    environment: Callable[..., Environment],
    migrations: list[tuple[str, str]] | None,
    what: str | None,
) -> None:
    told = found(monkeypatch, environment(), {MigrationsOfNode: migrations, DumpsOnHost: Dumps([], [])})
    assert [one for one, _ in told] == ([what] if what else [])
    assert all(mend.startswith("make migrate ENV=stage, which takes a dump first") for _, mend in told)


def test_migrations_of_somebody_else(monkeypatch: pytest.MonkeyPatch, environment: Callable[..., Environment]) -> None:
    assert found(monkeypatch, environment(migrate="never"), {DumpsOnHost: Dumps([], [])}) == []


def test_a_database_from_before_a_restore(
    monkeypatch: pytest.MonkeyPatch, environment: Callable[..., Environment]
) -> None:
    answers: Answers = {MigrationsOfNode: [("up", FIRST)], DumpsOnHost: Dumps([], [KEPT])}
    [(what, mend)] = found(monkeypatch, environment(), answers)
    for going in (frozenset[str](), frozenset({KEPT})):
        [finding] = diagnosis_database.kept_findings(environment(), Dumps([], [KEPT], going))
        assert ("the next restore removes it" in finding.why) == bool(going)
    assert what == f"the database {KEPT}, from before a restore, is kept"
    assert mend.endswith(f"on the host: cd / && sudo -u postgres dropdb {KEPT}")


def test_a_database_that_is_managed_elsewhere(
    monkeypatch: pytest.MonkeyPatch, environment: Callable[..., Environment]
) -> None:
    assert found(monkeypatch, environment(database_managed=False), {MigrationsOfNode: [("up", FIRST)]}) == []


def test_tables_of_another_role(environment: Callable[..., Environment]) -> None:
    [finding] = diagnosis_database.table_findings(
        environment(), ["public.invoices of postgres", "public.users of chef"]
    )
    assert finding.what == (
        "the database billing_stage has tables that are not of billing_stage: public.invoices of postgres, "
        "public.users of chef"
    )
    assert finding.why == "A migration that changes one fails"
    assert "psql -p 5432 -d billing_stage -c 'ALTER TABLE public.invoices OWNER TO billing_stage'" in finding.mend


def test_a_cluster_that_keeps_its_own_user_out(environment: Callable[..., Environment]) -> None:
    lines = [["login", "15/main", "no password supplied"], ["sockets", "15/main"], ["cluster", "15/main at port 5433"]]
    login, sockets = diagnosis_database.cluster_findings(environment(), lines)
    assert login.what.startswith("PostgreSQL's cluster 15/main does not let its user postgres in")
    assert login.mend == (
        "on the host: put the line `local all postgres peer` before all others into /etc/postgresql/15/main/pg_hba.conf, "
        "and systemctl reload postgresql"
    )
    assert sockets.mend.startswith("on the host: set listen_addresses = 'localhost'")
