from pathlib import Path

from tests.order import LONGEST, in_order, scope

HOST = Path(__file__).parents[2] / "host"

T, B = "tests/host/test_a.py::test_x[trixie]", "tests/host/test_a.py::test_x[bookworm]"
LONG, PLAIN = f"tests/host/{LONGEST[0]}::test_x[trixie]", "tests/unit/test_p.py::test_p"


def test_one_module_of_each_release_then_unit_tests_then_the_longest() -> None:
    assert in_order([T, B, PLAIN, LONG]) == [LONG, B, PLAIN, T]


def test_tests_of_one_module_and_release_stay_together_in_their_order() -> None:
    first, second = "tests/host/test_a.py::test_z[trixie]", "tests/host/test_a.py::test_b[trixie]"
    assert in_order([first, B, second]) == [first, second, B]


def test_nothing_is_lost() -> None:
    nodeids = [T, PLAIN, B, LONG]
    assert sorted(in_order(nodeids)) == sorted(nodeids)


def test_the_release_is_the_parameter_alone() -> None:
    assert scope("tests/unit/test_p.py::test_trixie[a]") == "tests/unit/test_p.py "
    assert scope(B) == "tests/host/test_a.py bookworm"


def test_each_long_module_exists() -> None:
    assert [name for name in LONGEST if not (HOST / name).is_file()] == []
