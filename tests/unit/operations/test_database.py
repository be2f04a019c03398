"""The SCRAM verifier, which PostgreSQL itself accepts in tests/host; and whose role and database there is."""

import base64
from typing import Any

import pytest

from operations.database import not_ours, scram_verifier


def test_scram_verifier_of_rfc_7677() -> None:
    """Salt and password of RFC 7677's example; StoredKey and ServerKey follow from them."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram_verifier("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


OURS: dict[str, Any] = {"ours": True}
STRANGE: dict[str, Any] = {"ours": None}


def of(owner: str, **words: object) -> dict[str, Any]:
    return {"owner": owner, "ours": None, "of_superuser": owner == "postgres", **words}


@pytest.mark.parametrize(
    ("role", "database", "prepared", "strange"),
    [
        ({}, {}, False, []),
        # The first apply was interrupted.
        (OURS, {}, False, []),
        (OURS, of("billing_stage"), False, []),
        # Chef made both.
        (STRANGE, of("billing_stage"), False, ["role", "database"]),
        (STRANGE, {}, False, ["role"]),
        # Somebody else's, with our name by accident.
        ({}, of("chef"), False, ["database"]),
        ({}, of("postgres"), False, ["database"]),
        (OURS, of("chef"), False, ["database"]),
        (STRANGE, of("chef"), True, ["database"]),
        # Prepared by a version that left no marks.
        (STRANGE, of("billing_stage"), True, []),
        (STRANGE, {}, True, []),
        # Restored by hand, as the superuser.
        (STRANGE, of("postgres"), True, []),
        # Changed by hand since.
        (OURS, of("chef", ours=True), False, []),
    ],
)
def test_whose_they_are(role: dict[str, Any], database: dict[str, Any], *, prepared: bool, strange: list[str]) -> None:
    server = {"role": role, "database": database, "extensions": []}
    assert not_ours(server, "billing_stage", prepared=prepared) == strange


def test_of_a_server_that_does_not_answer_nothing_is_known() -> None:
    assert not_ours(None, "billing_stage", prepared=False) == []
