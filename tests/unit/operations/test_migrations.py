"""A plan refuses to take back a migration that is not applied, and knows when none is pending, as far as it can know."""

import pytest
from pyinfra.api.exceptions import DeployError

from operations.release.migrations import Migrations, none_is_pending, require_applied

UP, DOWN = ("up", "1"), ("down", "2")


@pytest.mark.parametrize("migrations", [None, [UP], [UP, DOWN], [("down", "1"), UP]])
@pytest.mark.parametrize("version", ["1", "Billing.Repo:1"])
def test_an_applied_or_unknown_migration_may_be_taken_back(migrations: Migrations | None, version: str) -> None:
    require_applied(migrations, version)


@pytest.mark.parametrize(
    ("migrations", "applied"),
    [([], "none"), ([("down", "1")], "none"), ([("down", "1"), ("up", "2"), ("up", "3")], "2, 3")],
)
def test_a_migration_that_is_not_applied_is_refused(migrations: Migrations, applied: str) -> None:
    with pytest.raises(DeployError, match=f"migration 1 is not applied; applied: {applied}. Nothing was changed"):
        require_applied(migrations, "1")


@pytest.mark.parametrize(
    ("migrations", "idle"), [(None, False), ([], True), ([UP], True), ([UP, DOWN], False), ([DOWN, ("up", "2")], False)]
)
def test_pending_migrations_are_known(migrations: Migrations | None, *, idle: bool) -> None:
    assert none_is_pending(migrations) == idle
