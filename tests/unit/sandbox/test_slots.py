"""Names and addresses of sandbox machines, and the record for a keeper."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox import slots
from tests.sandbox.requirements import SandboxError
from tests.sandbox.slots import Record, Slot

NUMBERS = st.integers(min_value=0, max_value=255)


@given(NUMBERS)
def test_a_label_fits_into_the_name_of_a_network_interface(number: int) -> None:
    assert len(Slot(number).label) <= 15


@given(NUMBERS)
def test_machine_and_gateway_are_the_two_hosts_of_one_network(number: int) -> None:
    slot = Slot(number)
    network = ipaddress.ip_network(f"{slot.gateway}/30", strict=False)
    assert [str(host) for host in network.hosts()] == [slot.gateway, slot.address]


@given(NUMBERS, NUMBERS)
def test_two_machines_share_no_address(one: int, other: int) -> None:
    assert one == other or {Slot(one).address, Slot(one).gateway}.isdisjoint({Slot(other).address, Slot(other).gateway})


def test_a_record_survives_its_way_to_the_keeper() -> None:
    record = Record("sandbox", "trixie", "/image", ("/a", "/b"), "/with space/.sandbox", 7)
    assert Record.loads(record.dumps()) == record


def test_a_slot_is_alive_until_its_lock_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "STATE", tmp_path / "state")
    monkeypatch.setattr(slots, "_LOCK", tmp_path / "lock")
    record = Record("sandbox", "trixie", "/image", (), str(tmp_path))
    with slots.registry():
        first, lock = slots.claim(record)
        second, other = slots.claim(record)
    assert (first.number, second.number) == (0, 1)
    assert slots.is_alive(first)
    lock.close()
    other.close()
    assert not slots.is_alive(first)
    assert slots.find(tmp_path) is None
    assert [slots.free(first), slots.free(second)] == [False, True]


def test_a_full_computer_is_an_error_one_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "STATE", tmp_path)
    for number in range(256):
        (tmp_path / str(number)).mkdir()
    with pytest.raises(SandboxError, match="256"):
        slots.claim(Record("sandbox", "trixie", "/image", (), "/nowhere"))
