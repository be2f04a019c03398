"""A plan refuses to take back a migration that is not applied, as far as it can know."""

import pytest
from pyinfra.api.exceptions import DeployError

from operations.release.migrations import require_applied


@pytest.mark.parametrize("migrations", [None, {"1": "up"}, {"1": "up", "2": "down"}])
def test_an_applied_or_unknown_migration_may_be_taken_back(migrations: dict[str, str] | None) -> None:
    require_applied(migrations, "1")


@pytest.mark.parametrize(
    ("migrations", "applied"), [({}, "none"), ({"1": "down"}, "none"), ({"1": "down", "2": "up", "3": "up"}, "2, 3")]
)
def test_a_migration_that_is_not_applied_is_refused(migrations: dict[str, str], applied: str) -> None:
    with pytest.raises(DeployError, match=f"migration 1 is not applied; applied: {applied}. Nothing was changed"):
        require_applied(migrations, "1")
