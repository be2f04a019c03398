"""The secrets of a build: what is missing, what cannot work, and how they are sent."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations.release import build, build_access
from operations.release.build_access import Access

NEEDED = {"database_password": "a" * 20, "secret_key_base": "b" * 64, "cookie": "c" * 20}
KNOWN = f"git.example.com ssh-ed25519 {'A' * 68}"
PATH = Path("vault/stage.age")


def key(directory: Path, passphrase: str = "", kind: str = "ed25519", form: str = "RFC4716") -> str:
    """A new private key; a short one where there is a choice, because it is made faster."""
    subprocess.run(
        [
            "ssh-keygen",
            "-q",
            "-t",
            kind,
            *(["-b", "1024"] if kind == "rsa" else []),
            "-m",
            form,
            "-N",
            passphrase,
            "-C",
            "deploy",
            "-f",
            str(directory / "key"),
        ],
        check=True,
    )
    return (directory / "key").read_text()


def found(environment: Environment, **values: str) -> list[str]:
    return [text for _, text in build_access.problems(environment, Secrets(**NEEDED, **values), PATH)]


def test_what_the_vault_lacks_is_named(environment: Callable[..., Environment]) -> None:
    chosen = environment(build_secrets=["A", "B", "A_TOKEN"], build_deploy_key="KEY", build_known_hosts=[KNOWN])
    assert found(chosen, B="long enough") == [
        f"build_secrets names A, A_TOKEN, and {PATH} has no such key: `make vault-set ENV=stage KEY=A` stores a value",
        f"build_deploy_key names KEY, and {PATH} has no such key: `make vault-set ENV=stage KEY=KEY` stores a value",
    ]


@pytest.mark.parametrize(
    ("value", "count"), [("1234567", 1), ("a\nb\nc", 1), ("", 1), ("12345678", 0), ("a\n12345678", 0)]
)
def test_a_value_that_output_cannot_hide_is_refused(
    environment: Callable[..., Environment], value: str, count: int
) -> None:
    texts = found(environment(build_secrets=["A"]), A=value)
    assert len(texts) == count
    assert not [text for text in texts if value and value in text.split()]


def test_a_token_of_several_lines_is_refused(environment: Callable[..., Environment]) -> None:
    chosen = environment(build_secrets=["A"], build_git_tokens={"github.com": "A"})
    assert "A for github.com has several lines" in found(chosen, A="12345678\nb")[0]


def test_only_a_key_that_ssh_takes_without_a_question_is_a_deploy_key(
    environment: Callable[..., Environment], tmp_path: Path
) -> None:
    chosen = environment(build_deploy_key="KEY", build_known_hosts=[KNOWN])
    for name, kind, form in (("a", "ed25519", "RFC4716"), ("b", "rsa", "RFC4716"), ("c", "rsa", "PEM")):
        (tmp_path / name).mkdir()
        assert found(chosen, KEY=key(tmp_path / name, kind=kind, form=form)) == []
        (tmp_path / f"{name}2").mkdir()
        [refused] = found(chosen, KEY=key(tmp_path / f"{name}2", "passphrase", kind, form))
        assert "has a passphrase, and a build cannot type it" in refused
    whole = (tmp_path / "a" / "key").read_text()
    public = (tmp_path / "a" / "key.pub").read_text()
    assert "is no private key" in found(chosen, KEY=public)[0]
    assert "is damaged" in found(chosen, KEY=whole.replace("b3BlbnNzaC1rZXktdjE", "xx"))[0]


def test_secrets_are_sent_with_digest_and_length(
    environment: Callable[..., Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = key(tmp_path)
    chosen = environment(build_secrets=["A", "B"], build_deploy_key="KEY", build_known_hosts=[KNOWN])
    # Without a newline at its end, and with those of another system.
    vault = Secrets(
        **NEEDED, A='"$x`\\ é word', B="two\nlines of it", C="another", KEY=whole.strip().replace("\n", "\r\n")
    )
    monkeypatch.setattr(build_access, "open_vault", lambda path, identity: vault)
    access = Access(chosen)
    variables = 'A="\\"\\$x\\`\\\\ é word"\nB="two\nlines of it"\n'
    first, rest = access.sent.split("\n", 1)
    assert rest == variables + whole
    parts = [variables.encode(), whole.encode()]
    assert first == " ".join(f"{hashlib.sha256(part).hexdigest()} {len(part)}" for part in parts)
    assert "lines of it" not in repr(access)


def test_a_build_without_secrets_opens_no_vault(
    environment: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_access, "open_vault", None)
    nothing = hashlib.sha256(b"").hexdigest()
    assert Access(environment()).sent == f"{nothing} 0 {nothing} 0\n"


def test_a_build_without_a_secret_that_it_needs_is_refused(
    environment: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_access, "open_vault", lambda path, identity: Secrets(**NEEDED))
    with pytest.raises(DeployError, match=r"build_secrets names A, .* Nothing was changed"):
        Access(environment(build_secrets=["A"]))


def test_a_build_sees_no_directory_of_an_application(environment: Callable[..., Environment]) -> None:
    options = build.sandbox(environment())
    assert all(option.startswith("--property=") for option in options)
    assert {
        "--property=ProtectSystem=strict", "--property=ProtectHome=tmpfs", "--property=PrivateTmp=yes",
        "--property=BindPaths=/var/cache/billing_stage-build/scratch", "--property=PrivateUsers=yes",
    } < set(options)  # fmt: skip


def test_a_build_is_limited(environment: Callable[..., Environment]) -> None:
    assert build.limits(environment()) == [
        "--property=CPUWeight=20", "--property=IOWeight=20", "--property=OOMScoreAdjust=500",
    ]  # fmt: skip
    limited = build.limits(environment(build_memory_limit=512, build_cpu_weight=5))
    assert {"--property=CPUWeight=5", "--property=MemoryMax=512M", "--property=MemorySwapMax=0"} < set(limited)
