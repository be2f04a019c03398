"""Compiled code of the build before: when it counts, after which kinds of end."""

import os
import signal
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from group_data.schema.environment import Environment
from tests.unit.operations.programs.sandboxed import Sandbox, wait_for
from tests.unit.operations.programs.test_build import ELIXIR, MIX, RELEASE, Scratch
from tests.unit.sample import sample

# Code of a dependency and of the application, and what compiling the dependency wrote beside its sources.
DEPENDENCY, OWN, BESIDE = "_build/prod/lib/plug/ebin", "_build/prod/lib/billing/ebin", "deps/plug/priv/a.so"


@pytest.fixture
def place(sandbox: Sandbox, environment: Callable[..., Environment]) -> Scratch:
    """A directory in which an application with a dependency was built once."""
    made = Scratch(sandbox, environment())
    (made.source / "mix.lock").touch()
    built(made)
    compile_both(made)
    (made.source.parent / "release.tar.gz").unlink()
    return made


def compile_both(place: Scratch) -> None:
    for name in (DEPENDENCY, OWN, "deps/plug/priv"):
        (place.source / name).mkdir(parents=True, exist_ok=True)
    (place.source / BESIDE).touch()


def built(place: Scratch, **variables: str) -> str:
    done = place.build(**variables)
    assert done.returncode == 0, done.stdout
    assert not (place.source.parent / "unfinished").exists()
    return done.stdout


def there(place: Scratch) -> list[str]:
    """What the next build still has, when it begins to fetch."""
    look = '[ "$2" != --force ] || ls -d $WATCHED > ../seen 2> /dev/null'
    place.sandbox.stub("mix", f"{look}\n{RELEASE}{MIX}")
    built(place, WATCHED=f"{DEPENDENCY} {OWN} {BESIDE}")
    return (place.source.parent / "seen").read_text().split()


ALL, DEPENDENCIES, NOTHING = [OWN, DEPENDENCY, BESIDE], [DEPENDENCY, BESIDE], list[str]()


def test_all_of_it_counts_after_a_build_that_succeeded(place: Scratch) -> None:
    assert there(place) == ALL


@pytest.mark.parametrize("step", ["deps.get", "deps.loadpaths", "release"])
def test_all_of_it_counts_after_an_ordinary_failure(place: Scratch, step: str) -> None:
    place.sandbox.stub("mix", f'[ "$1" != {step} ] || exit 1\n{RELEASE}{MIX}')
    assert place.build().returncode == 1
    assert there(place) == ALL


# What counts when a step was killed, and who was.
LEFT = {"deps.get": NOTHING, "deps.loadpaths": NOTHING, "release": DEPENDENCIES}
KILLED = ("the step", "the program", "all of it", "the unit")


@pytest.mark.parametrize(
    ("step", "killed"),
    sample(
        product(LEFT, KILLED),
        *[
            ("deps.get", "all of it"),
            ("deps.loadpaths", "the program"),
            ("release", "the step"),
            ("release", "the unit"),
        ],
    ),
)
def test_nothing_counts_that_a_killed_step_was_at(place: Scratch, step: str, killed: str) -> None:
    begun = place.sandbox.directory / "begun"
    if killed == "the step":
        place.sandbox.stub("mix", f'[ "$1" != {step} ] || kill -KILL $$\n{RELEASE}{MIX}')
        assert place.build().returncode == 1
    else:
        # The Erlang VM ends with 0 at SIGTERM. `tee` begins after it, and has to be there to be killed as well.
        others = "until /usr/bin/pgrep -x -P $PPID tee > /dev/null; do sleep 0.01; done"
        waiting = f"trap 'exit 0' TERM; {others}; echo $$ > {begun}.part; mv {begun}.part {begun}; sleep 30 & wait"
        place.sandbox.stub("mix", f'[ "$1" != {step} ] || {{ {waiting}; }}\n{RELEASE}{MIX}')
        process = place.start()
        wait_for(begun)
        if killed == "the program":
            os.kill(process.pid, signal.SIGKILL)
            os.kill(int(begun.read_text()), signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL if killed == "all of it" else signal.SIGTERM)
        process.wait(20)
        assert process.returncode != 0
    assert place.built() == []
    assert there(place) == LEFT[step]


FULL = ("tar: x: Cannot write: No space left on device", "no space left on device", "{:error, :enospc}")


@pytest.mark.parametrize(("step", "words"), sample(product(LEFT, FULL), *zip(LEFT, FULL, strict=True)))
def test_a_step_without_room_gives_its_room_back(place: Scratch, step: str, words: str) -> None:
    place.sandbox.stub("mix", f'[ "$1" != {step} ] || {{ echo "{words}"; exit 1; }}\n{RELEASE}{MIX}')
    done = place.build()
    assert done.returncode == 1
    assert "no room is left on the disk, for the reason above" in done.stdout
    assert not place.source.exists()


def test_a_release_that_cannot_be_packed_gives_its_room_back(place: Scratch) -> None:
    place.sandbox.stub(
        "tar", 'echo part > "$4"; echo "tar: Wrote only 4096 bytes: No space left on device" >&2; exit 2'
    )
    done = place.build()
    assert done.returncode == 1
    assert "no room is left on the disk, for the reason above" in done.stdout
    assert not place.source.exists()
    assert not list(place.source.parent.glob("release.tar.gz*"))


def test_a_power_cut_in_the_note_itself_counts_as_a_kill(place: Scratch) -> None:
    (place.source.parent / "unfinished").write_text("")
    assert there(place) == NOTHING


@pytest.mark.parametrize("told", ["elixir=1.19.0", "otp=Erlang/OTP 28"])
def test_nothing_counts_that_another_toolchain_made(place: Scratch, told: str) -> None:
    done = place.build(told)
    assert "Everything is compiled anew: the build before had another Elixir, Erlang, Debian or settings" in done.stdout
    assert not (place.source / DEPENDENCY).exists()
    assert not (place.source / BESIDE).exists()


def test_nothing_counts_that_another_way_of_building_made(place: Scratch) -> None:
    with Path(f"{place.program}.conf").open("a") as conf:
        conf.write("# another setting\n")
    assert there(place) == NOTHING


def test_nothing_counts_after_the_clock_went_back(place: Scratch) -> None:
    later = time.time() + 3600
    os.utime(place.source.parent / "made_with", (later, later))
    assert there(place) == NOTHING


@pytest.mark.parametrize(("lost", "left"), [("own\n", DEPENDENCIES), ("own\nall\n", NOTHING), ("", ALL)])
def test_files_that_compiling_made_are_made_again(place: Scratch, lost: str, left: list[str]) -> None:
    note = place.source.parent / "lost"
    note.write_text(lost)
    place.sandbox.stub("mix", f'[ "$1" != release ] || exit 1\n{RELEASE}{MIX}')
    place.build()
    assert note.exists(), "a build that fails did not make them"
    compile_both(place)
    assert there(place) == left
    assert not note.exists()


@pytest.mark.parametrize(
    "name", ["mix.exs", "mix.lock", "config/config.exs", "apps/web/mix.exs", "apps/web/config/x.exs"]
)
def test_the_applications_own_code_counts_only_with_the_same_project(place: Scratch, name: str) -> None:
    (place.source / name).parent.mkdir(parents=True, exist_ok=True)
    with (place.source / name).open("a") as file:
        file.write("# changed\n")
    assert there(place) == DEPENDENCIES
    (place.source / OWN).mkdir(parents=True)
    assert there(place) == ALL


def test_a_changed_secret_file_compiles_the_application_anew(place: Scratch) -> None:
    place.secrets.write_text("import Config\n")
    built(place)
    (place.source / OWN).mkdir(parents=True, exist_ok=True)
    place.secrets.write_text("import Config\n# changed\n")
    assert there(place) == DEPENDENCIES


def test_sources_alone_compile_nothing_anew(place: Scratch) -> None:
    (place.source / "lib/billing.ex").write_text("changed")
    (place.source / "deps/plug/mix.exs").write_text("")
    assert there(place) == ALL


def test_dependencies_in_the_repository_are_not_removed(place: Scratch) -> None:
    (place.source.parent / "kept").write_text("_build\n")
    (place.source.parent / "unfinished").write_text("dependencies\n")
    assert there(place) == [BESIDE]


def test_everything_is_compiled_anew_when_a_dependency_is_gone(place: Scratch) -> None:
    """It may have been an optional one of another dependency, which was compiled to use it."""
    for name in ("_build/prod/lib/jason", "deps/jason"):
        (place.source / name).mkdir()
    (place.source / "mix.lock").write_text("%{}\n")
    place.sandbox.stub("mix", f'[ "$1" != deps.clean ] || rm -r _build/prod/lib/jason\n{RELEASE}{MIX}')
    said = built(place)
    assert "mix deps.clean --unused --only prod" in place.calls()
    assert "Everything is compiled anew: a dependency is gone" in said
    assert not (place.source / DEPENDENCY).exists()


def test_a_compiled_application_around_a_child_of_an_umbrella_counts_as_well(place: Scratch) -> None:
    """mix.exs says where compiled code is."""
    for name in ("up/lib/plug", "up/lib/billing"):
        (place.source / name).mkdir(parents=True)
    (place.source.parent / "lost").write_text("own\n")
    place.build("build_path=up", "deps_path=deps")
    assert [path.name for path in (place.source / "up/lib").iterdir()] == ["plug"]


def test_a_dependency_with_another_configuration_is_compiled_anew(place: Scratch) -> None:
    """Elixir 1.14 does not notice, and the release would not start."""
    for name in ("_build/prod/lib/mime", "deps/mime"):
        (place.source / name).mkdir()
    digests = place.sandbox.directory / "digests"
    place.sandbox.stub("elixir", f'[ "$4" = configuration ] && exec cp {digests} "$2"\n{ELIXIR}')
    watched = ["_build/prod/lib/mime", DEPENDENCY]
    for text, left in (
        ("mime=1\nplug=1\nbilling=1\n", []),
        ("plug=1\nbilling=2\nmime=1\n", watched),
        ("plug=2\nmime=1\n", watched[:1]),
    ):
        digests.write_text(text)
        (place.source / "mix.lock").write_text(text)
        place.sandbox.stub("mix", f'[ "$1" != deps.loadpaths ] || ls -d {" ".join(watched)} > ../seen\n{RELEASE}{MIX}')
        built(place)
        assert (place.source.parent / "seen").read_text().split() == left
        for name in watched:
            (place.source / name).mkdir(parents=True, exist_ok=True)
