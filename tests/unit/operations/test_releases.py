"""The choice of releases to release, to go back to and to remove; and the content of a tarball."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from operations.release import choice, tarball
from operations.release.artifacts import Artifact
from operations.release.history import Releases, ReleasesOnHost, Revision
from operations.release.tarball import TarballError
from tests.unit.conftest import STAGE

ENVIRONMENT = Environment.model_validate(STAGE)


def host(log: str, present: str | None = None, current: str | None = None) -> Releases:
    """From a log such as "+1 +2 -3 !4 <2 =1": released, released, failed, ended from outside, left, gone back to."""
    words = {
        "+": ("release", "good"),
        "-": ("release", "failed"),
        "!": ("release", "ended"),
        "<": ("rollback", "left"),
        "=": ("rollback", "good"),
    }
    entries = [(*words[item[0]], item[1:]) for item in log.split()]
    revisions = [Revision("2026", "me", action, version, "-", outcome, "1") for action, outcome, version in entries]
    versions = present.split() if present is not None else list(dict.fromkeys(item[1:] for item in log.split()))
    good = [version for _, outcome, version in entries if outcome == "good"]
    return Releases(
        current or (good[-1] if good else None), {version: f"sha-{version}" for version in versions}, revisions
    )


@pytest.mark.parametrize(
    ("log", "fallback"),
    [
        ("", None),
        ("+1", None),
        ("+1 +2", "1"),
        ("+1 +2 -3", "1"),
        ("+1 -2 +3", "1"),
        ("+1 +2 +3 <3 =2", "1"),
        ("+1 +2 +3 <3 =2 <2 =1", None),
        # What somebody went back from is not gone back to, although it is the newest before.
        ("+1 +2 +3 <3 =2 +4", "2"),
        # Unless it was released again.
        ("+1 +2 <2 =1 +2 +3", "2"),
        ("+1 +2 +3 <3 =1", None),
        ("-1", None),
    ],
)
def test_fallback(log: str, fallback: str | None) -> None:
    assert host(log).fallback() == fallback


@pytest.mark.parametrize(
    ("log", "gone"),
    [
        ("+1", []),
        ("+1 +2 +3 +4", []),
        ("+1 +2 +3 +4 +5", ["1"]),
        # Those that failed go first and take no good one's place.
        ("+1 +2 -a -b +3 +4 -c", ["a", "b", "c"]),
        ("+1 +2 +3 +4 +5 -a", ["1", "a"]),
        # The running one and its fallback stay, however old; what somebody went back from goes before what is good.
        ("+1 +2 +3 +4 +5 +6 <6 =2", ["3", "6"]),
        ("+1 +2 +3 +4 +5 <5 =4 <4 =3 <3 =2", ["3"]),
    ],
)
def test_releases_that_are_removed_before_another_one(log: str, gone: list[str]) -> None:
    assert sorted(host(log).superfluous(5, "new")) == sorted(gone)


def test_releasing_again_takes_no_further_place() -> None:
    assert host("+1 +2 +3 +4 +5").superfluous(5, "2") == []


def test_never_less_than_the_running_one_and_its_fallback() -> None:
    assert host("+1 +2 +3").superfluous(2, "new") == ["1"]


@pytest.mark.parametrize(
    ("log", "store", "coming", "gone"),
    [
        ("", "a b c", None, []),
        ("", "f e d c b a", None, ["b", "a"]),
        ("+1 +2", "6 5 4 3 2 1", "6", ["3"]),
        # Builds that failed do not push out those of releases that run or are gone back to.
        ("+1 +2 -3 -4 -5 -6", "6 5 4 3 2 1", "7", ["4", "3"]),
        ("+1 +2 -3 -4 -5 -6", "7 6 5 4 3 2 1", "7", ["4", "3"]),
        ("+1 +2 -3 -4", "6 5 4 3 2 1", None, ["4", "3"]),
    ],
)
def test_tarballs_that_go(log: str, store: str, coming: str | None, gone: list[str]) -> None:
    assert host(log).superfluous_tarballs(store.split(), 5, coming) == gone


def test_ended_from_outside_says_nothing_of_a_release() -> None:
    assert host("+1 +2 !1").outcome("1") == "good"
    assert host("+1 +2 !1").fallback() == "1"
    assert host("+1 +2 -3 !3").outcome("3") == "failed"
    assert host("+1 !2").outcome("2") == "ended"
    assert host("+1 !2").superfluous(5, "new") == ["2"]


def test_a_good_release_that_failed_later_stays() -> None:
    """Perhaps the host was to blame, not the version. A rollback does not choose it all the same."""
    assert host("+1 +2 +3 -1").superfluous(5, "new") == []
    assert host("+1 +2 +3 -1").fallback() == "2"
    assert sorted(host("+1 +2 +3 +4 +5 -3 -a").superfluous(5, "new")) == ["3", "a"]
    assert host("+1 +2 -1 -3 -4").superfluous_tarballs("4 3 2 1".split(), 3, "5") == ["4", "3"]
    assert choice.describe(host("+1 +2 -1"), "1") == "good once, failed since"
    assert choice.describe(host("+1 +2 !3"), "3") == "ended without a verdict"


def test_an_unpacked_release_that_never_ran_is_removed() -> None:
    assert host("+1", present="1 half").superfluous(5, "new") == ["half"]
    assert host("+1", present="1 half").superfluous(5, "half") == []


def test_the_answer_of_a_host() -> None:
    output = [
        "current\t0.2.0",
        "present\t0.1.0\taaa",
        "present\t0.2.0\t",
        "log\t2026-11-25T08:25:30Z\tme@here\trelease\t0.1.0\t-\tgood\t6",
        "log\tcut off",
    ]
    releases = ReleasesOnHost().process(output)
    assert (releases.current, releases.present) == ("0.2.0", {"0.1.0": "aaa", "0.2.0": ""})
    assert [(entry.version, entry.outcome) for entry in releases.revisions] == [("0.1.0", "good")]


# --- What to release --------------------------------------------------------------------------------------------------


def made(path: Path, version: str = "0.2.0", **files: str) -> Path:
    """A tarball as a release has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {
            "releases/start_erl.data": f"13.1 {version}",
            "bin/billing": "x" * 50_000,
            **files,
        }.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    return path


def artifact(version: str, distribution: str = "Debian 13", built_for: str = "MIX_ENV=prod") -> Artifact:
    return Artifact(version, f"sha-{version}", 10, distribution=distribution, built_for=built_for)


def chosen(
    version: str | None = None,
    path: Path | None = None,
    in_store: Sequence[Artifact] = (),
    present: Releases | None = None,
    environment: Environment = ENVIRONMENT,
) -> tuple[str, bool]:
    """What is chosen, and whether it is uploaded."""
    found, file = choice.choose_artifact(
        environment, version=version, path=path, in_store=in_store, present=present or host(""), here="Debian 13"
    )
    return found.version, file is not None


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The builds on this computer."""
    monkeypatch.setattr(choice, "RELEASES", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("builds")
def test_the_newest_in_the_store() -> None:
    assert chosen(in_store=[artifact("0.3.0"), artifact("0.2.0")]) == ("0.3.0", False)
    assert chosen("0.2.0", in_store=[artifact("0.3.0"), artifact("0.2.0")]) == ("0.2.0", False)
    assert chosen("", in_store=[artifact("0.3.0")]) == ("0.3.0", False)


def test_a_build_on_this_computer(builds: Path) -> None:
    made(builds / "stage/billing-0.2.0.tar.gz")
    made(builds / "prod/billing-0.9.0.tar.gz", "0.9.0")
    assert chosen() == ("0.2.0", True)
    assert chosen("0.2.0") == ("0.2.0", True)
    elsewhere = ENVIRONMENT.model_copy(update={"build_host": "builder"})
    assert chosen(in_store=[artifact("0.1.0")], environment=elsewhere) == ("0.2.0", True)


@pytest.mark.usefixtures("builds")
def test_an_unpacked_release_needs_no_tarball() -> None:
    assert chosen("0.1.0", present=host("+0.1.0 +0.2.0")) == ("0.1.0", False)


@pytest.mark.usefixtures("builds")
def test_a_file(tmp_path: Path) -> None:
    path = made(tmp_path / "elsewhere.tar.gz")
    assert chosen(path=path) == ("0.2.0", True)
    assert chosen("0.2.0", path=path) == ("0.2.0", True)
    digest = tarball.read(path).sha256
    assert chosen(path=path, in_store=[Artifact("0.2.0", digest, 10)]) == ("0.2.0", False)
    with pytest.raises(DeployError, match=r"holds 0\.2\.0, not VERSION=0\.3\.0"):
        chosen("0.3.0", path=path)


def test_what_a_host_hands_over_may_be_anything(tmp_path: Path) -> None:
    empty = made(tmp_path / "empty.tar.gz", **{"releases/start_erl.data": " "})
    with pytest.raises(tarball.TarballError, match="is no release"):
        tarball.read(empty)
    path = made(tmp_path / "endless.tar.gz")
    path.with_name(f"{path.name}.build").write_bytes(b"\xff" * 1_000_000)
    assert len(tarball.read(path).build) < 100_000


def test_a_version_that_is_nowhere(builds: Path) -> None:
    made(builds / "stage/billing-0.2.0.tar.gz")
    with pytest.raises(DeployError, match=r"no version 0\.9\.0 for stage; there are: 0\.3\.0, 0\.2\.0, 0\.1\.0"):
        chosen("0.9.0", in_store=[artifact("0.3.0")], present=host("+0.1.0"))


@pytest.mark.usefixtures("builds")
def test_nothing_built() -> None:
    with pytest.raises(DeployError, match="nothing was built for stage yet"):
        chosen()


@pytest.mark.usefixtures("builds")
def test_built_on_another_distribution() -> None:
    with pytest.raises(DeployError, match="built on Debian 12 and the host of stage runs Debian 13"):
        chosen(in_store=[artifact("0.2.0", "Debian 12")])


@pytest.mark.usefixtures("builds")
def test_built_for_another_environment() -> None:
    with pytest.raises(
        DeployError, match="was built with MIX_ENV=qa, and stage is built with MIX_ENV=prod: make build ENV=stage"
    ):
        chosen(in_store=[artifact("0.2.0", built_for="MIX_ENV=qa")])
    distillery = ENVIRONMENT.model_copy(update={"release_tool": "distillery", "deployment_config": "stage"})
    assert distillery.built_for == "MIX_ENV=prod DEPLOYMENT_CONFIG=stage the secrets of stage"
    with pytest.raises(DeployError, match="and stage is built with"):
        chosen(in_store=[artifact("0.2.0")], environment=distillery)


STAMPED = "0.2.0+20261122-main-6bfed7e"


@pytest.mark.usefixtures("builds")
def test_a_version_without_its_stamp(tmp_path: Path) -> None:
    path = made(tmp_path / "elsewhere.tar.gz", STAMPED)
    assert chosen("0.2.0", path=path) == (STAMPED, True)
    assert chosen("0.2.0", in_store=[artifact(STAMPED)]) == (STAMPED, False)
    assert chosen("0.2.0", in_store=[artifact(STAMPED), artifact("0.2.0")]) == ("0.2.0", False)
    assert choice.choose_rollback(ENVIRONMENT, "0.2.0", host(f"+{STAMPED} +0.3.0")) == STAMPED
    for version, known in [("0.2", [STAMPED]), ("0.2.0", [STAMPED, f"{STAMPED}.2"])]:
        with pytest.raises(DeployError, match=f"no version {version} for stage; there are: 0"):
            chosen(version, in_store=[artifact(name) for name in known])


@pytest.mark.usefixtures("builds")
def test_other_content_under_a_version_that_was_good() -> None:
    other = Artifact("0.1.0", "other", 10)
    for log in ("+0.1.0", "+0.1.0 +0.2.0", "+0.1.0 +0.2.0 -0.1.0", "+0.1.0 +0.2.0 +0.1.0 <0.1.0 =0.2.0"):
        with pytest.raises(DeployError, match="on the host already, with other content"):
            chosen("0.1.0", in_store=[other], present=host(log))
    assert chosen("0.1.0", in_store=[other], present=host("+0.2.0 -0.1.0")) == ("0.1.0", False)


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        (None, "there is no good release before the running one"),
        ("0.9.0", r"there is no release 0\.9\.0 on the host"),
        ("0.1.0", r"0\.1\.0 runs already"),
    ],
)
def test_impossible_rollbacks(version: str | None, problem: str) -> None:
    present = host("+0.1.0 -0.2.0")
    with pytest.raises(
        DeployError, match=rf"stage: {problem}. VERSION= names one of these:\n  0.1.0 \(runs\)\n  0.2.0 \(failed\)"
    ):
        choice.choose_rollback(ENVIRONMENT, version, present)


@pytest.mark.parametrize("version", ["0.1.0", "-1", "2026 02", "²", "x"])
def test_texts_that_are_no_migration(version: str) -> None:
    with pytest.raises(DeployError, match=f"the version of a migration is a number: {version} is none"):
        choice.read_migration(version)


def test_a_migration() -> None:
    assert choice.read_migration("20260201000000") == "20260201000000"
    assert choice.read_migration("Billing.Audit:20260201000000") == "Billing.Audit:20260201000000"
    assert choice.read_migration("") is choice.read_migration(None) is None


def test_going_back() -> None:
    present = host("+0.1.0 +0.2.0 +0.3.0")
    assert choice.choose_rollback(ENVIRONMENT, None, present) == "0.2.0"
    assert choice.choose_rollback(ENVIRONMENT, "0.1.0", present) == "0.1.0"


# --- Tarballs ---------------------------------------------------------------------------------------------------------


def test_the_facts_of_a_tarball(tmp_path: Path) -> None:
    path = made(tmp_path / "billing.tar.gz", "0.2.0+20261122-main-6bfed7e")
    plain = tarball.read(path)
    assert (plain.version, plain.built("revision")) == ("0.2.0+20261122-main-6bfed7e", "-")
    (tmp_path / "billing.tar.gz.sha256").write_text(f"{plain.sha256}  billing.tar.gz\n")
    (tmp_path / "billing.tar.gz.build").write_text("revision=abc\ndistribution=Debian 13\n")
    read = tarball.read(path)
    assert (read.sha256, read.built("revision"), read.built("distribution")) == (plain.sha256, "abc", "Debian 13")


def test_another_checksum_than_beside_it(tmp_path: Path) -> None:
    path = made(tmp_path / "billing.tar.gz")
    (tmp_path / "billing.tar.gz.sha256").write_text(f"{'0' * 64}  billing.tar.gz\n")
    with pytest.raises(TarballError, match=r"is not what billing\.tar\.gz\.sha256 beside it says"):
        tarball.read(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_off(tmp_path: Path, share: float) -> None:
    path = made(tmp_path / "billing.tar.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(TarballError, match="cannot be read"):
        tarball.read(path)


def test_no_tarball(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing of the kind")
    with pytest.raises(TarballError, match="cannot be read"):
        tarball.read(tmp_path / "text")
    with pytest.raises(TarballError, match="there is no such file"):
        tarball.read(tmp_path / "missing")
    with pytest.raises(TarballError, match="is no release"):
        tarball.read(made(tmp_path / "evil.tar.gz", "../../etc"))


# --- Damaged by a power cut ------------------------------------------------------------------------------------------


def damaged(log: str, *versions: str) -> Releases:
    return host(log)._replace(damaged=frozenset(versions))


def test_a_rollback_passes_over_a_damaged_release() -> None:
    assert damaged("+1 +2 +3", "2").fallback() == "1"
    assert damaged("+1 +2", "1").fallback() is None


def test_a_damaged_release_is_described_and_refused() -> None:
    present = damaged("+0.1.0 +0.2.0", "0.1.0")
    with pytest.raises(DeployError) as caught:
        choice.choose_rollback(ENVIRONMENT, "0.1.0", present)
    assert "the files of 0.1.0 are damaged, and make release VERSION=0.1.0 brings them again" in str(caught.value)
    assert "0.1.0 (damaged: its files are not those of its tarball)" in str(caught.value)


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a_damaged_release_is_brought_again_also_the_running_one(version: str) -> None:
    present = damaged("+0.1.0 +0.2.0", version)
    # A checksum without content is another one.
    present.present[version] = ""
    stored = [Artifact(version, f"sha-{version}", 1)]
    found, _ = choice.choose_artifact(
        ENVIRONMENT, version=version, path=None, in_store=stored, present=present, here="Debian 13"
    )
    assert found == stored[0]


def test_a_damaged_release_takes_no_place_of_a_good_one() -> None:
    assert damaged("+1 +2 +3 +4 +5", "2").superfluous(5, "new") == ["2"]
