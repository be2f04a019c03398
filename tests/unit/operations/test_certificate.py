"""Certificates that browsers or nginx would refuse, and those that they take."""

from datetime import datetime, timedelta

import pytest

from operations.certificate import Pair, faults, is_loadable
from tests.unit.certificates import NOW, Authority, pair

ROOT = Authority("root")
MIDDLE = Authority("middle", ROOT)
LEAF, KEY = MIDDLE.issue("example.com", "www.example.com")


def words(of: Pair, *names: str, now: datetime = NOW) -> list[str]:
    return [fault.word for fault in faults(of, names or ("example.com",), now)]


@pytest.mark.parametrize(
    ("covered", "names", "well"),
    [
        (["example.com"], ["example.com"], True),
        (["EXAMPLE.com"], ["example.com"], True),
        (["example.com"], ["example.com", "www.example.com"], False),
        (["*.example.com"], ["www.example.com"], True),
        (["*.example.com"], ["example.com"], False),
        (["*.example.com"], ["a.b.example.com"], False),
        (["*.com", "w*.example.com"], ["www.example.com"], False),
        (["other.example.org"], ["example.com"], False),
        ([], ["example.com"], False),
    ],
)
def test_names(covered: list[str], names: list[str], *, well: bool) -> None:
    assert words(pair(*covered), *names) == ([] if well else ["of other names"])


def test_the_sentence_about_names() -> None:
    [fault] = faults(pair("a.example.org", "b\x1b[2J.example.org"), ("example.com", "www.example.com"), NOW)
    assert fault.what == "is not for example.com, www.example.com: it is for a.example.org, b?[2j.example.org"


@pytest.mark.parametrize(
    ("key", "compared", "found"),
    [
        (KEY, True, []),
        (Authority("other").issue()[1], True, ["of another key"]),
        ("", True, ["with an unreadable key"]),
        ("AAAA", True, ["of another key"]),
        ("A", True, ["unreadable"]),
        ("", False, []),
    ],
)
def test_the_key(key: str, found: list[str], *, compared: bool) -> None:
    assert words(Pair(LEAF + MIDDLE.pem, key, compared=compared)) == found


@pytest.mark.parametrize(
    ("chain", "trusted", "found"),
    [
        ([LEAF, MIDDLE.pem], False, []),
        ([LEAF, MIDDLE.pem, ROOT.pem], False, []),
        ([LEAF], False, ["without its chain"]),
        ([LEAF, ROOT.pem], False, ["without its chain"]),
        ([LEAF, Authority("middle").pem], False, ["without its chain"]),
        ([LEAF], True, []),
        ([ROOT.pem], False, ["of other names"]),
        ([], False, ["unreadable"]),
        (["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"], False, ["unreadable"]),
        ([LEAF, MIDDLE.pem, "-----BEGIN CERTIFICATE-----\n"], False, []),
    ],
)
def test_the_chain(chain: list[str], found: list[str], *, trusted: bool) -> None:
    assert words(Pair("".join(chain), trusted=trusted)) == found


@pytest.mark.parametrize(
    ("lifetime", "left", "late"),
    [
        (timedelta(days=90), timedelta(days=28), False),
        (timedelta(days=90), timedelta(days=26), True),
        (timedelta(days=45), timedelta(days=14), False),
        (timedelta(days=45), timedelta(days=13), True),
        (timedelta(days=6), timedelta(days=3), False),
        (timedelta(days=6), timedelta(days=1), True),
        (timedelta(minutes=10), timedelta(minutes=4), False),
        (timedelta(days=3650), timedelta(days=1000), True),
    ],
)
def test_the_share_of_the_lifetime_that_is_left(lifetime: timedelta, left: timedelta, *, late: bool) -> None:
    found = faults(pair("example.com", begins=NOW - lifetime + left, ends=NOW + left), ("example.com",), NOW)
    assert [fault.late for fault in found] == [True] * late


def test_before_and_after_its_lifetime() -> None:
    own = pair("example.com", begins=NOW, ends=NOW + timedelta(days=90))
    assert words(own, now=NOW - timedelta(hours=1)) == [f"from {NOW:%Y-%m-%d %H:%M} on"]
    assert words(own, now=NOW + timedelta(days=91)) == ["expired"]


def test_what_nginx_starts_with() -> None:
    whole = Pair(LEAF, KEY, compared=True)
    assert is_loadable(whole)
    # Its chain is no matter of nginx's.
    assert is_loadable(whole._replace(key="", compared=False))
    assert not is_loadable(whole._replace(key=""))
    assert not is_loadable(whole._replace(key="AAAA"))
    assert not is_loadable(whole._replace(chain=LEAF[:200]))
    assert not is_loadable(Pair(""))
