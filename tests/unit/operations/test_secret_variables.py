"""DATABASE_URL as Ecto reads it, and the file of secret variables as a shell reads it; tests/inputs asks systemd."""

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets, is_saslprep_stable
from operations import secret_digests, secret_file, secret_variables
from operations.host.rendering import render

VAULT = {"database_password": "p:a/s@s?#[%41] ü", "secret_key_base": "s" * 64, "cookie": "c" * 20}
ELSEWHERE = {"database_managed": False, "database_host": "db.example.com"}

ECTO = re.compile(r"(?P<scheme>\w+)://(?P<user>[^:/?#@]*):(?P<password>[^:/?#@]*)@[^/?#]*/(?P<database>[^/?#]+)")


def secrets(**changes: str) -> Secrets:
    return Secrets.model_validate({**VAULT, **changes})


URLS = [
    # settings, address
    ({}, "postgres://billing_stage:@127.0.0.1:5432/billing_stage"),
    (ELSEWHERE, "postgres://billing_stage:@db.example.com:5432/billing_stage"),
    (ELSEWHERE | {"database_port": 25060, "database_name": "my$db", "database_user": "team@server"},
     "postgres://team%40server:@db.example.com:25060/my%24db"),
    (ELSEWHERE | {"database_tls": "verified"}, "postgres://billing_stage:@db.example.com:5432/billing_stage?ssl=true"),
    (ELSEWHERE | {"database_host": "2001:db8::1"}, "postgres://billing_stage:@[2001:db8::1]:5432/billing_stage"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "address"), URLS, ids=[address for _, address in URLS])
def test_database_url(environment: Callable[..., Environment], settings: dict[str, Any], address: str) -> None:
    url = secret_variables.database_url(environment(**settings), secrets())
    assert url == address.replace(":@", ":p%3Aa%2Fs%40s%3F%23%5B%2541%5D%20%C3%BC@")
    assert unquote(urlsplit(url).password or "") == VAULT["database_password"]


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=8).filter(is_saslprep_stable)
)
def test_any_password_is_one_part_of_the_url(password: str) -> None:
    environment = Environment(app="billing", environment="stage", domain="stage.example.com", port=4001)
    url = secret_variables.database_url(environment, secrets(database_password=password))
    parts = ECTO.fullmatch(url)
    assert parts
    assert unquote(parts["password"]) == password


def test_variables_of_mix_release(environment: Callable[..., Environment]) -> None:
    vault = secrets(STRIPE_KEY="s", UNUSED="u", mailer_key="m", appsignal_push_api_key="a")
    made = secret_variables.values(environment(secret_variables=["STRIPE_KEY"]), vault)
    assert made == {"DATABASE_URL": made["DATABASE_URL"], "SECRET_KEY_BASE": "s" * 64, "STRIPE_KEY": "s"}
    assert secret_variables.values(environment(appsignal=True), vault)["APPSIGNAL_PUSH_API_KEY"] == "a"
    assert "APPSIGNAL_PUSH_API_KEY" not in secret_variables.values(environment(appsignal=True), secrets())


def test_variables_of_distillery(environment: Callable[..., Environment]) -> None:
    """It has its secrets built in: only what group data names becomes a variable."""
    distillery = environment(release_tool="distillery", secret_variables=["STRIPE_KEY"])
    assert secret_variables.values(distillery, secrets(STRIPE_KEY="s")) == {"STRIPE_KEY": "s"}


@pytest.mark.parametrize(
    ("settings", "reads"),
    [
        ({}, True),
        ({"release_tool": "distillery"}, False),
        ({"release_tool": "distillery", "secret_variables": ["STRIPE_KEY"]}, True),
    ],
)
def test_the_unit_reads_the_file_after_the_open_one(
    environment: Callable[..., Environment], settings: dict[str, Any], reads: bool
) -> None:
    chosen = environment(**settings)
    files = re.findall("^EnvironmentFile=(.*)$", render("unit.service.j2", environment=chosen), re.MULTILINE)
    assert files[0] == "/etc/default/billing_stage"
    assert [file for file in files if file.endswith("/variables.secret")] == [
        *(["-/var/lib/billing_stage/variables.secret"] if reads else [])
    ]
    assert ("/var/lib/billing_stage/variables.secret" in chosen.start_files) == reads


def test_variables_without_secrets_are_in_the_open_file(environment: Callable[..., Environment]) -> None:
    chosen = environment(database_pool_size=7, database_managed=False, database_host="2001:db8::1")
    lines = render("variables.j2", environment=chosen).splitlines()
    assert {"POOL_SIZE=7", "ECTO_IPV6=true"} <= set(lines)
    assert not [line for line in lines if line.startswith(("DATABASE_URL", "SECRET_KEY_BASE"))]
    plain = render("variables.j2", environment=environment(release_tool="distillery", database_pool_size=7))
    assert not re.search("^(POOL_SIZE|ECTO_IPV6)=", plain, re.MULTILINE)


NASTY = "-----BEGIN\nKEY-----\r\n \"'`$HOME $(id) %h \\ \\n #{1} # é\u2028\x01\t "


def test_a_shell_reads_every_value_back(environment: Callable[..., Environment]) -> None:
    chosen = environment(secret_variables=["NASTY"])
    file = secret_file.variables_file(chosen, secrets(NASTY=NASTY))
    script = "set -a; . /dev/stdin; exec env -0"
    done = subprocess.run(
        ["env", "-i", "sh", "-c", script], input=file.content.encode(), capture_output=True, check=True
    )
    read = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    assert read["NASTY"] == NASTY
    assert read["SECRET_KEY_BASE"] == VAULT["secret_key_base"]


def test_digests_name_what_differs(environment: Callable[..., Environment]) -> None:
    chosen = environment(secret_variables=["STRIPE_KEY"])

    def file(**changes: str) -> secret_file.SecretFile:
        return secret_file.variables_file(chosen, secrets(**{"STRIPE_KEY": "s", **changes}))

    def differing(there: Mapping[str, str], file: secret_file.SecretFile) -> str:
        return secret_digests.differing(there, file.digests, file.noun)

    there = secret_digests.SecretDigests().process(re.findall("^# digest (.*)$", file().content, re.MULTILINE))
    assert there == file().digests
    assert differing(there, file(STRIPE_KEY="t")) == "variable STRIPE_KEY differs"
    assert differing(there, file(database_password="another-one")) == "variable DATABASE_URL differs"
    assert differing(there, file(secret_key_base="t" * 64)) == (
        "key secret_key_base differs, and only by it could the others be compared"
    )
    assert differing(there, file()) == "it was changed by hand"
    for value in VAULT.values():
        assert value not in " ".join(there.values())


def test_no_line_of_a_value_is_read_back_as_a_digest(environment: Callable[..., Environment], tmp_path: Path) -> None:
    chosen = environment(secret_variables=["STRIPE_KEY"])
    file = secret_file.variables_file(chosen, secrets(STRIPE_KEY="a\n# digest hunter 2\nb"))
    (tmp_path / "file").write_text(file.content)
    command = str(secret_digests.SecretDigests().command(path=str(tmp_path / "file")))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert secret_digests.SecretDigests().process(done.stdout.splitlines()) == file.digests
