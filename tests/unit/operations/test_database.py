"""The SCRAM verifier; PostgreSQL itself accepts it in tests/host."""

import base64

from operations.database import scram_verifier


def test_scram_verifier_of_rfc_7677() -> None:
    """Salt and password of RFC 7677's example; StoredKey and ServerKey follow from them."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram_verifier("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
