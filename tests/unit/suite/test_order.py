from tests.order import in_order, length, scope

T, B = "tests/host/test_a.py::test_x[trixie]", "tests/host/test_a.py::test_x[bookworm]"
LONG, PLAIN = "tests/host/test_b.py::test_x[trixie]", "tests/unit/test_p.py::test_p"
OTHER = "tests/host/test_c.py::test_x[trixie]"


def test_one_module_of_each_release_then_unit_tests_then_the_longest() -> None:
    assert in_order({T: 1, B: 1, OTHER: 2, PLAIN: 9, LONG: 3}) == [LONG, B, PLAIN, OTHER, T]


def test_a_module_is_as_long_as_its_tests_together() -> None:
    two = [f"tests/host/test_d.py::test_{name}[trixie]" for name in "ab"]
    assert in_order({LONG: 3.0} | dict.fromkeys(two, 2.0)) == [*two, LONG]


def test_a_run_of_pyinfra_counts_for_more_than_a_test() -> None:
    assert length("def test() -> None:\n    host.project.apply().require_success()\n") > length(
        "def test() -> None: ..."
    )


def test_tests_of_one_module_and_release_stay_together_in_their_order() -> None:
    first, second = "tests/host/test_a.py::test_z[trixie]", "tests/host/test_a.py::test_b[trixie]"
    assert in_order({first: 1, B: 1, second: 1}) == [first, second, B]


def test_nothing_is_lost() -> None:
    nodeids = dict.fromkeys([T, PLAIN, B, LONG], 1.0)
    assert sorted(in_order(nodeids)) == sorted(nodeids)


def test_the_release_is_the_parameter_alone() -> None:
    assert scope("tests/unit/test_p.py::test_trixie[a]") == "tests/unit/test_p.py "
    assert scope(B) == "tests/host/test_a.py bookworm"


def test_seconds_added_in_another_order_are_the_same_order_of_tests() -> None:
    """Each worker collects the tests itself, and pytest-xdist refuses workers that disagree."""
    assert sum((0.1, 0.2, 0.3)) != sum((0.3, 0.2, 0.1))
    names = [f"tests/host/test_b.py::test_{letter}[trixie]" for letter in "xyz"]
    several, turned = (dict(zip(names, each, strict=True)) for each in ((0.1, 0.2, 0.3), (0.3, 0.2, 0.1)))
    assert in_order({T: 0.6} | several) == in_order({T: 0.6} | turned)
