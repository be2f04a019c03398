"""Archives of real repositories compared with a checkout: LFS, submodules, attributes, awkward names."""

import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.release import source
from operations.release.git import SourceError
from operations.release.source import take

OID = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 5\n"


def git(directory: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.fixture(autouse=True)
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's configuration of git, which allows submodules on this computer. Returns its file."""
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        '[user]\nname = Somebody\nemail = somebody@example.com\n[protocol "file"]\nallow = always\n'
        "[init]\ndefaultBranch = main\n[gc]\nauto = 0\n[maintenance]\nauto = false\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(source, "RELEASES", tmp_path / "releases")
    return configuration


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make(tmp_path / "repository", {"mix.exs": "mix"})


def make(path: Path, files: dict[str, str]) -> Path:
    path.mkdir()
    git(path, "init", "--quiet")
    return commit(path, files)


def commit(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message=change")
    return path


def archived(repository: Path | str, ref: str = "main") -> dict[str, str]:
    """Content of each file and target of each link in the archive; directories end with a slash."""
    found = {}
    with tarfile.open(take(str(repository), "stage", ref, uncommitted=False).archive, errors="surrogateescape") as tar:
        for member in tar:
            assert (member.uid, member.gid, member.uname) == (0, 0, "")
            if member.name.split("/")[0] == ".git":
                continue
            if member.issym():
                found[member.name] = f"-> {member.linkname}"
            elif member.isdir():
                found[f"{member.name}/"] = ""
            else:
                content = tar.extractfile(member)
                assert content
                found[member.name] = content.read().decode()
    return found


@pytest.fixture(scope="session")
def all_but_lfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with each program but git-lfs."""
    directory = tmp_path_factory.mktemp("path")
    for place in ("/bin", "/usr/bin"):
        for program in Path(place).iterdir():
            if program.name != "git-lfs" and not (directory / program.name).exists():
                (directory / program.name).symlink_to(program)
    return directory


@pytest.fixture
def without_lfs(all_but_lfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer that has everything but git-lfs."""
    monkeypatch.setenv("PATH", str(all_but_lfs))


def test_what_export_attributes_would_change_is_as_in_a_checkout(repository: Path) -> None:
    attributes = "private export-ignore\nversion.txt export-subst\n*.sh text eol=crlf\n"
    files = {".gitattributes": attributes, "private/a": "a", "version.txt": "$Format:%H$", "a.sh": "echo\n"}
    found = archived(commit(repository, files))
    assert (found["private/a"], found["version.txt"], found["a.sh"]) == ("a", "$Format:%H$", "echo\r\n")
    assert found[".gitattributes"] == attributes


def test_modes_and_links_are_gits(repository: Path) -> None:
    (repository / "run").write_text("#!/bin/sh\n")
    (repository / "run").chmod(0o775)
    for name, target in {"link": "./run", "out": "/etc/passwd", "loop": "loop", "there/up": "../missing"}.items():
        (repository / name).parent.mkdir(exist_ok=True)
        os.symlink(target, repository / name)  # noqa: PTH211 - a Path would write ./run as run
    found = archived(commit(repository, {}))
    assert [found[name] for name in ("link", "out", "loop", "there/up")] == [
        "-> ./run", "-> /etc/passwd", "-> loop", "-> ../missing",
    ]  # fmt: skip
    with tarfile.open(next((repository.parent / "releases").glob("*.gz"))) as tar:
        assert [tar.getmember(name).mode for name in ("run", "mix.exs", "there")] == [0o755, 0o644, 0o755]


def test_names_are_bytes(repository: Path) -> None:
    names = ["a b", "line\nbreak", "tab\t", '"quoted"', "-rf", ":(glob)*", os.fsdecode(b"latin-\xe9"), "ü" * 80, "*"]
    found = archived(commit(repository, {name: name.encode(errors="surrogateescape").hex() for name in names}))
    assert {name: found[name] for name in names} == {
        name: name.encode(errors="surrogateescape").hex() for name in names
    }


def test_the_same_revision_gives_the_same_bytes(repository: Path) -> None:
    commit(repository, {"b": "b", "a/c": "c"})
    archive = take(str(repository), "stage", "main", uncommitted=False).archive
    first = archive.read_bytes()
    archive.unlink()
    assert take(f"file://{repository}", "stage", "main", uncommitted=False).archive.read_bytes() == first


def test_an_interrupted_command_and_an_older_way_leave_nothing_that_counts(repository: Path) -> None:
    releases = repository.parent / "releases"
    (releases / "source.tmp.x1").mkdir(parents=True)
    (releases / "source.tmp.x1/archive").touch()
    revision = git(repository, "rev-parse", "HEAD")
    (releases / f"source-{revision}.tar.gz").touch()
    archived(f"file://{repository}")
    (releases / "repository.git/packed-refs.lock").touch()
    (releases / "repository.git/refs/heads/main.lock").touch()
    assert archived(f"file://{commit(repository, {'new': 'x'})}")["new"] == "x"
    assert not (releases / "source.tmp.x1").exists()


def test_a_branch_counts_before_a_tag_of_its_name(repository: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "main")
    commit(repository, {"mix.exs": "new"})
    assert archived(repository)["mix.exs"] == "new"
    assert "main is a branch and a tag: the branch counts; REF=tags/main names the tag" in caplog.text
    assert archived(repository, "main~1")["mix.exs"] == archived(repository, "tags/main")["mix.exs"] == "mix"
    assert archived(f"file://{repository}")["mix.exs"] == "new"
    assert take(str(repository), "stage", old, uncommitted=False).branch == ""


def test_nothing_of_the_operators_session_leads_git_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make(tmp_path / "other", {"other": ""})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    assert set(archived(repository)) == {"mix.exs"}


def test_no_hook_and_no_template_runs(repository: Path, operator: Path, tmp_path: Path) -> None:
    for hooks in (tmp_path / "template/hooks", repository / ".git/hooks"):
        hooks.mkdir(parents=True, exist_ok=True)
        (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / "post-checkout").chmod(0o755)
    operator.write_text(
        f"{operator.read_text()}\ntemplateDir = {tmp_path}/template\n[core]\nhooksPath = {tmp_path}/template/hooks\n"
    )
    archived(repository)
    archived(f"file://{commit(repository, {'b': ''})}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("scheme", ["", "file://"], ids=["path", "URL"])
def test_a_mix_exs_that_asks_git_gets_its_answer(repository: Path, tmp_path: Path, scheme: str) -> None:
    git(repository, "tag", "--annotate", "v1.0", "--message=first")
    commit(repository, {"lib/a.ex": "a"})
    git(repository, "remote", "add", "origin", "https://me:s3cr3t@example.com/x.git")
    checkout = tmp_path / "unpacked"
    checkout.mkdir()
    archive = take(f"{scheme}{repository}", "stage", "main", uncommitted=False).archive
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(checkout)], check=True)
    for question in (
        "rev-parse HEAD", "rev-parse --short HEAD", "log -1 --format=%cI", "show --no-patch --format=%ci", "ls-files",
        "status --porcelain", "describe --tags --dirty --always", "rev-list --count HEAD",
    ):  # fmt: skip
        assert git(checkout, *question.split()) == git(repository, *question.split()), question
    (checkout / "lib/a.ex").write_text("edited")
    assert git(checkout, "describe", "--dirty").startswith("v1.0-1-g")
    assert git(checkout, "describe", "--dirty").endswith("-dirty")
    assert b"s3cr3t" not in b"".join(path.read_bytes() for path in checkout.rglob("*") if path.is_file())


# --- Files of git LFS ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("without_lfs")
@pytest.mark.parametrize("scheme", ["", "file://"], ids=["path", "URL"])
def test_pointers_are_refused_by_name_without_git_lfs(repository: Path, scheme: str) -> None:
    pointers = {f"priv/{number}.bin": POINTER for number in range(7)}
    commit(repository, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", **pointers})
    with pytest.raises(
        SourceError,
        match=r"pointers: priv/0\.bin, priv/1\.bin, .*priv/4\.bin and 2 more\. Install git-lfs .* package git-lfs\)",
    ):
        archived(f"{scheme}{repository}")
    assert not list((repository.parent / "releases").glob("source-*"))


@pytest.mark.usefixtures("without_lfs")
def test_a_file_that_looks_like_a_pointer_on_purpose_is_taken(repository: Path) -> None:
    commit(repository, {"test/a.txt": POINTER, "about.md": f"A pointer is\n{POINTER}"})
    with pytest.raises(SourceError, match=r"as pointers: test/a\.txt\. "):
        archived(repository)
    commit(repository, {".gitattributes": "test/a.txt -filter\n"})
    assert archived(repository)["test/a.txt"] == POINTER


@pytest.fixture
def lfs(repository: Path, tmp_path: Path) -> Path:
    """A bare repository with a file of git LFS, which `repository` pushed."""
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(repository, "lfs", "install", "--local")
    git(repository, "remote", "add", "origin", f"file://{remote}")
    commit(repository, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "priv/a.bin": "large"})
    git(repository, "push", "--quiet", "origin", "main")
    assert git(repository, "show", "main:priv/a.bin").startswith("version https://git-lfs")
    return remote


def test_files_of_git_lfs_come_with_their_content(lfs: Path, repository: Path) -> None:
    assert archived(f"file://{lfs}")["priv/a.bin"] == "large"
    assert archived(repository)["priv/a.bin"] == "large"


def test_files_of_git_lfs_that_are_not_pushed_come_from_the_checkout(lfs: Path, repository: Path) -> None:
    commit(repository, {"b.bin": "only here", ".lfsconfig": "[lfs]\nfetchexclude = *.bin\n"})
    assert archived(repository)["b.bin"] == "only here"


def test_a_file_of_git_lfs_that_is_missing_there_is_named(lfs: Path) -> None:
    subprocess.run(["rm", "-r", str(lfs / "lfs/objects")], check=True)
    with pytest.raises(SourceError, match=r"git checkout: .*priv/a\.bin"):
        archived(f"file://{lfs}")


def test_an_installed_filter_of_git_lfs_without_its_program_is_refused_by_name(
    lfs: Path, repository: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("without_lfs")
    with pytest.raises(SourceError, match=r"pointers: priv/a\.bin\. Install git-lfs"):
        archived(repository)


def test_content_of_other_tools_is_refused_by_name(repository: Path) -> None:
    (repository / "secret").write_bytes(b"\0GITCRYPT\0abc")
    commit(repository, {})
    with pytest.raises(SourceError, match=r"files of git-crypt would be in the build without their content: secret\. "):
        archived(repository)
    (repository / "secret").unlink()
    (repository / "large").symlink_to(".git/annex/objects/ab/cd/SHA256E-s1--x/SHA256E-s1--x")
    commit(repository, {})
    with pytest.raises(SourceError, match=r"files of git-annex .*: large\. "):
        archived(repository)


# --- Submodules ------------------------------------------------------------------------------------------------------


@pytest.fixture
def submodule(repository: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a repository, and adds it as a submodule."""

    def add(name: str, url: str = "", to: Path = repository) -> Path:
        there = make(tmp_path / name, {"file": name})
        git(to, "submodule", "--quiet", "add", url or f"file://{there}", f"libs/{name}")
        commit(to, {})
        return there

    return add


@pytest.fixture
def elsewhere(repository: Path, tmp_path: Path) -> Callable[[], str]:
    """URL of a copy of the repository, which has none of what the operator's checkout has."""

    def copy() -> str:
        remote = tmp_path / "copy.git"
        git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(remote))
        return f"file://{remote}"

    return copy


def test_submodules_and_theirs_come_along(
    submodule: Callable[..., Path], elsewhere: Callable[[], str], repository: Path
) -> None:
    inner = submodule("inner")
    git(repository, "rm", "--quiet", "--force", "libs/inner")
    outer = submodule("outer")
    git(outer, "submodule", "--quiet", "add", f"../{inner.name}", "deep/inner")
    commit(outer, {})
    git(repository / "libs/outer", "pull", "--quiet")
    submodule("b c")
    for where in (repository, elsewhere()):
        found = archived(where)
        assert found["libs/outer/file"] == "outer"
        assert found["libs/outer/deep/inner/file"] == "inner"
        assert found["libs/b c/file"] == "b c"
        assert not [name for name in found if name.endswith(("/.git", "/.git/"))]
        [archive] = (repository.parent / "releases").glob("source-*.gz")
        archive.unlink()


def test_a_url_relative_to_the_repository_is_relative_to_where_it_is_from(
    submodule: Callable[..., Path], elsewhere: Callable[[], str], repository: Path, tmp_path: Path
) -> None:
    submodule("near", url="../near")
    assert archived(elsewhere())["libs/near/file"] == "near"


def test_submodules_that_cannot_be_fetched_are_named(
    submodule: Callable[..., Path], elsewhere: Callable[[], str]
) -> None:
    for name in ("one", "two", "three"):
        there = submodule(name)
        if name != "two":
            there.rename(there.with_name(f"{name}-moved"))
    with pytest.raises(
        SourceError, match=r"submodule libs/one cannot be fetched: .* submodule libs/three cannot"
    ) as no:
        archived(elsewhere())
    assert "libs/two" not in str(no.value)


def test_a_commit_that_is_not_pushed_comes_from_the_operators_checkout(
    submodule: Callable[..., Path], elsewhere: Callable[[], str], repository: Path, operator: Path
) -> None:
    submodule("lib")
    commit(repository / "libs/lib", {"file": "not pushed"})
    commit(repository, {})
    operator.write_text(operator.read_text().replace("always", "never"))
    assert archived(repository)["libs/lib/file"] == "not pushed"
    operator.write_text(operator.read_text().replace("never", "always"))
    next((repository.parent / "releases").glob("source-*.gz")).unlink()
    with pytest.raises(SourceError, match="the submodule libs/lib cannot be fetched: "):
        archived(elsewhere())


def test_no_submodule_is_left_out_by_a_setting_or_a_mistake(
    submodule: Callable[..., Path], elsewhere: Callable[[], str], repository: Path
) -> None:
    submodule("lib")
    modules = repository / ".gitmodules"
    commit(repository, {".gitmodules": f"{modules.read_text()}\tupdate = none\n"})
    assert archived(elsewhere())["libs/lib/file"] == "lib"
    git(repository, "rm", "--quiet", "--cached", ".gitmodules")
    modules.unlink()
    git(repository, "commit", "--quiet", "--message=mistake")
    with pytest.raises(SourceError, match=r"the submodule libs/lib has no URL in \.gitmodules"):
        archived(repository)


def test_a_submodule_cannot_name_a_command(repository: Path, submodule: Callable[..., Path], tmp_path: Path) -> None:
    there = submodule("lib")
    text = (repository / ".gitmodules").read_text().replace(f"file://{there}", f"ext::touch {tmp_path}/ran")
    git(repository, "submodule", "--quiet", "deinit", "--force", "--all")
    subprocess.run(["rm", "-r", str(repository / ".git/modules")], check=True)
    commit(repository, {".gitmodules": text})
    with pytest.raises(SourceError, match=r"the submodule libs/lib cannot be fetched: .*ext"):
        archived(repository)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["{private}/.git", "../../private/.git"])
def test_the_name_of_a_submodule_leads_to_no_other_repository(repository: Path, tmp_path: Path, name: str) -> None:
    """A branch that knows a commit of another repository on this computer would get its files into the build."""
    private = make(tmp_path / "private", {"secret": "a secret"})
    modules = f'[submodule "{name.format(private=private)}"]\npath = sub\nurl = {tmp_path}/none\n'
    commit(repository, {".gitmodules": modules})
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{git(private, 'rev-parse', 'HEAD')},sub")
    git(repository, "commit", "--quiet", "--message=a submodule")
    (repository / ".git/modules").mkdir()
    with pytest.raises(SourceError, match="the submodule sub"):
        take(str(repository), "stage", "main", uncommitted=True)


@pytest.mark.usefixtures("without_lfs")
def test_pointers_in_a_submodule_are_refused_by_name(submodule: Callable[..., Path], repository: Path) -> None:
    there = submodule("lib")
    commit(there, {".gitattributes": "*.bin filter=lfs\n", "a.bin": POINTER})
    git(repository / "libs/lib", "pull", "--quiet")
    commit(repository, {})
    with pytest.raises(SourceError, match=r"pointers: libs/lib/a\.bin\. "):
        archived(repository)


def test_a_password_in_an_url_is_not_shown(repository: Path, submodule: Callable[..., Path]) -> None:
    there = submodule("lib")
    text = (repository / ".gitmodules").read_text().replace(f"file://{there}", "http://me:s3cr3t@127.0.0.1:1/lib.git")
    subprocess.run(["rm", "-r", str(repository / ".git/modules")], check=True)
    git(repository, "config", "--remove-section", "submodule.libs/lib")
    commit_modules = [*("-c", "core.worktree=."), "commit", "--quiet", "--message=x", "--", ".gitmodules"]
    (repository / ".gitmodules").write_text(text)
    git(repository, *commit_modules)
    with pytest.raises(SourceError, match=r"libs/lib cannot be fetched: .*127\.0\.0\.1") as no:
        take(str(repository), "stage", "main", uncommitted=True)
    assert "s3cr3t" not in str(no.value)
