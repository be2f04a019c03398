"""Cases of which `make test` runs some."""

from collections.abc import Iterable
from typing import Any

import pytest


def sample(cases: Iterable[Any], *always: Any) -> list[Any]:
    """All of the cases, most of them for `make test-all` alone.

    + cases: values of a parameter, or tuples of several
    + always: those that `make test` runs, too: one of each kind
    """
    listed = list(cases)
    assert set(always) <= set(listed), "no such case"
    return [
        case
        if case in always
        else pytest.param(*(case if isinstance(case, tuple) else [case]), marks=pytest.mark.everything)
        for case in listed
    ]
