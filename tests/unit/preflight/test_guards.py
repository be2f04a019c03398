"""Each check of the inventory: one planted mistake, and the whole message."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Inventory

from group_data.schema.inventory import describe, examine
from group_data.schema.problem import Problem
from group_data.schema.settings import Settings
from preflight.check import (
    connection_problems,
    forged,
    missing_dns_secrets,
    missing_passwords,
    not_compared,
    open_vaults,
    option_problems,
    shared_cookies,
    unsealed,
    vault_problems,
)
from preflight.secret_variables import different_variables, missing_build_secrets
from tests.sandbox.vaults import IDENTITY, make_vaults
from tests.unit.conftest import PROD, STAGE
from vault import store
from vault.keys import find_identities
from vault.recipients import read_recipients

TLS = {"tls": "provided", "tls_certificate": "/etc/ssl/a.pem", "tls_key": "/etc/ssl/a.key"}
FOOTER = "Nothing was changed. docs/group-data.md describes every setting, docs/troubleshooting.md every message."
OPTIONS: dict[str, Any] = {"limit": (), "exclude": (), "serial": False, "no_wait": False}


def problems(inventory: Inventory) -> list[Problem]:
    return examine(inventory, [host.name for host in inventory])[1]


# What stage is given beside a fine prod, and the one line about it.
ALONE: list[tuple[dict[str, Any], str]] = [
    ({"port": 4369}, "stage: port = 4369 is epmd's on every machine: take another, such as 4000 (FILE)"),
    ({"port": 5432}, "stage: port = 5432 is PostgreSQL's on every machine: take another, such as 4000 (FILE)"),
    (
        {"node_port": 4350},
        "stage: node_port = 4350 and the 31 ports after it include 4369 of epmd: set another, such as 21000 (FILE)",
    ),
    (
        {"port": 20_005, "node_port": 20_000},
        "stage: node_port = 20000 and the 31 ports after it include 20005 of port: set another, such as 21000 (FILE)",
    ),
    (
        {"port": 2222, "ssh_port": 2222},
        "stage: port = 2222 is sshd's on this machine (ssh_port): take another (FILE)",
    ),
    (
        {"app": "postgres"},
        "stage: app = 'postgres' is also a user or group of Debian: rename the application (FILE)",
    ),
    (
        {"app": "devops", "ssh_user": "devops"},
        "stage: app = 'devops' is also the user SSH logs in as, who has sudo: rename one of them (FILE)",
    ),
    (
        {"app": "pg"},
        "stage: app = 'pg' makes the role pg_stage, but PostgreSQL reserves pg_: rename the application (FILE)",
    ),
    (
        {"app": "private"},
        "stage: app = 'private' is also the name of a directory beside the running release: rename the application (FILE)",
    ),
    (
        {"toolchain": "https://example.com/otp.tar.gz"},
        "stage: toolchain and toolchain_sha256 go together: the download is used only with this checksum. "
        "Set both or neither (FILE)",
    ),
    (
        {"toolchain": "https://example.com/otp.tar.gz", "toolchain_sha256": "0" * 64, "elixir_version": "1.18.4"},
        "stage: toolchain and elixir_version both say where Elixir comes from: keep the archive, or the version (FILE)",
    ),
    (
        {"erlang_version": "27.3.4"},
        "stage: erlang_version needs elixir_version: Debian's Elixir goes with Debian's Erlang alone (FILE)",
    ),
    (
        {"elixir_sha256": "0" * 64},
        "stage: elixir_sha256 is the checksum of a version, and elixir_version names none. Set both or neither (FILE)",
    ),
    (
        {"build_host": "builder"},
        "stage: build_host = 'builder' is no host of the inventory; there are: prod, stage. Name one of them (FILE)",
    ),
    (
        {"migrate_down_command": "Billing.Release.rollback()"},
        "stage: migrate_down_command must contain {version}: without it, all migrations would be taken back, and "
        "their data lost (FILE)",
    ),
    (
        {"app": "a_long_name_of_twenty_six_"},
        "stage: app and environment make the group a_long_name_of_twenty_six__stage of 32 characters, and systemd takes 31: "
        "shorten one of them (FILE)",
    ),
    (
        TLS | {"tls_key": None},
        "stage: tls = 'provided' needs tls_key, the path of a PEM file on the host: nginx does not start without it "
        "(FILE)",
    ),
    (
        {"tls_key": "/etc/ssl/a.key"},
        "stage: tls_key = '/etc/ssl/a.key' is not used with tls = 'none': remove it, or set tls = 'provided' (FILE)",
    ),
    (
        {"additional_domains": ["www.example.com"], "redirect_to": "www.example.com"},
        "stage: redirect_to = 'www.example.com' is not the domain, and releases are judged by that: make it the domain, and "
        "name the other one in additional_domains (FILE)",
    ),
    (
        {"redirect_to": "stage.example.com"},
        "stage: redirect_to has no effect without additional_domains: name them, or take it out (FILE)",
    ),
    (
        {"tls": "acme", "additional_domains": [f"a{number}.example.com" for number in range(100)]},
        "stage: domain and additional_domains are 101 names, and one certificate takes 100: take some out (FILE)",
    ),
    (
        {"hsts": True},
        "stage: hsts = True with tls = 'none' would lock browsers out: they refuse such a site for hsts_max_age seconds. "
        "Set tls = 'acme' (of production) or 'provided', or hsts = False (FILE)",
    ),
    (
        {"hsts_preload": True},
        "stage: hsts_preload = True is ignored by browsers (hstspreload.org) without hsts = True, "
        "hsts_include_subdomains = True and hsts_max_age of at least 31536000: set them, or hsts_preload = False (FILE)",
    ),
    (
        {"unit_environment": {"PORT": "1"}},
        "stage: unit_environment: PORT belongs to the unit or to the release's own scripts: take it out (FILE)",
    ),
    (
        {"port": 80},
        "stage: port = 80: input should be greater than or equal to 1024. TCP port of the application on 127.0.0.1; prod "
        "4000 and stage 4001 by convention. (FILE)",
    ),
    ({"prot": 1}, "stage: prot = 1: no such setting; did you mean port? (FILE)"),
    ({"smtp_password": "hunter2"}, "stage: smtp_password = (a secret by its name: not shown): no such setting (FILE)"),
    (
        {"cookie": "hunter2"},
        "stage: cookie is a secret: take it out of group data (and out of git) and run `make vault-edit ENV=stage` (FILE)",
    ),
    (
        {"domain": "stage.example.dev"},
        "stage: stage.example.dev has tls = 'none', but browsers are shipped with HSTS for .dev with includeSubDomains: a "
        "browser that has seen it turns every address below into HTTPS and shows 'Your connection is not private' without a "
        "way past, though nothing is wrong with the site itself. Deleting the parent's policy in "
        "chrome://net-internals/#hsts helps one browser only. Either give this environment a certificate "
        "(tls = 'acme' or 'provided'), or move it to a domain of another parent (or stop the parent from sending "
        "includeSubDomains and wait for its max-age) (FILE)",
    ),
    (
        {"port": 4000},
        "stage: port 4000 is shared with prod on the same machine: the second to start finds it taken; give each its own "
        "port (FILE)",
    ),
    (
        {"open_ports": [4000]},
        "stage: port 4000 is shared with prod on the same machine: the second to start finds it taken; give each its own "
        "port (FILE)",
    ),
    (
        {"open_ports": [4001]},
        "stage: port 4001 is there twice: take one out of open_ports (FILE)",
    ),
    (
        {"node_name": "billing_prod@10.0.0.1"},
        "stage: node name billing_prod is shared with prod on the same machine: nothing would tell the two nodes apart; "
        "leave node_name out or change the part before the @ (FILE)",
    ),
    (
        {"port": 4398},
        "stage: the node's ports 20640 to 20671 include 20640 of prod on the same machine: set node_port to the first of 32 "
        "ports that nobody has (FILE)",
    ),
    (
        {"node_port": 3969},
        "stage: the node's ports 3969 to 4000 include 4000 of prod on the same machine: set node_port to the first of 32 "
        "ports that nobody has (FILE)",
    ),
    (
        {"additional_domains": ["example.com"]},
        "stage: server name example.com is shared with prod on the same machine: nginx serves the first site only; each "
        "needs domain and additional_domains of its own (FILE)",
    ),
    (
        {"app": "shop", "environment": "prod"},
        "stage: secret file /var/prod.secret.exs is shared with prod on the same machine: its name contains the environment "
        "alone; rename one environment (FILE)",
    ),
    (
        {"aliases": {"prod": "cd /"}},
        "stage: alias prod is defined by prod too, for the same unix user: the later wins; rename one (FILE)",
    ),
    (
        {"journal_limit": 64},
        "stage: journal_limit is 1024 (prod) and 64 (stage) on one machine, which has one journal: set it once, in "
        "group_data/all.py (FILE)",
    ),
    (
        {"environment": "prod"},
        "stage: app and environment make billing_prod, the same name as for prod on this machine: unit, site, role, "
        "database and directories would be shared; rename one environment, or take one out (FILE)",
    ),
    (
        {"app": "Billing"},
        "stage: app = 'Billing': must be up to 31 of a-z, 0-9 and _, the first a letter: it names a unix user, a "
        "PostgreSQL role and more. The application: its OTP name, unix user and home, and first half of every "
        "derived name. (FILE)",
    ),
    (
        {"node_name": "billing_stage.0.0.1"},
        "stage: node_name = 'billing_stage.0.0.1': must be name@host in lower case, the host with a dot such as "
        "127.0.0.1: no console reaches another node. Erlang node; default <app>_<environment>@127.0.0.1. Unique on"
        " the machine. (FILE)",
    ),
    (
        {"domain": "Stage.example.com"},
        "stage: domain = 'Stage.example.com': must be a host name in lower case such as stage.example.com "
        "(Punycode for other alphabets): DNS has stage.example.com. The server name the site answers to. (FILE)",
    ),
    (
        {"database_extensions": ["citext; DROP"]},
        "stage: database_extensions[0] = 'citext; DROP': must be the name of an extension as in "
        "pg_available_extensions, such as uuid-ossp. Extensions created in the database. (FILE)",
    ),
    (
        TLS | {"tls_certificate": None},
        "stage: tls = 'provided' needs tls_certificate, the path of a PEM file on the host: nginx does not start"
        " without it (FILE)",
    ),
    (
        {"tls_certificate": "/etc/ssl/a.pem"},
        "stage: tls_certificate = '/etc/ssl/a.pem' is not used with tls = 'none': remove it, or set tls = "
        "'provided' (FILE)",
    ),
    (
        {"additional_domains": ["stage.example.com"]},
        "stage: server name stage.example.com is there twice: take one out of additional_domains (FILE)",
    ),
    (
        {"hsts_parents": ["example.com"]},
        "stage: stage.example.com has tls = 'none', but example.com (hsts_parents) is known to send HSTS with "
        "includeSubDomains: a browser that has seen it turns every address below into HTTPS and shows 'Your "
        "connection is not private' without a way past, though nothing is wrong with the site itself. Deleting the"
        " parent's policy in chrome://net-internals/#hsts helps one browser only. Either give this environment a "
        "certificate (tls = 'acme' or 'provided'), or move it to a domain of another parent (or stop the parent from sending"
        " includeSubDomains and wait for its max-age) (FILE)",
    ),
    (
        {"database_host": "db.example.com"},
        "stage: database_host = 'db.example.com' describes another PostgreSQL, but "
        "database_managed = True means the machine's own: set database_managed = False and create role and database "
        "there, or remove the former (FILE)",
    ),
    (
        {"database_pool_size": 41},
        "stage: database_pool_size = 41 is more than database_connection_limit = 40, all the connections the role "
        "may hold: lower the one or raise the other (FILE)",
    ),
    (
        {"database_managed": False, "database_host": "db.example.com", "database_tls_ca": "/etc/ssl/ca.pem"},
        "stage: database_tls_ca = '/etc/ssl/ca.pem' is not used with database_tls = 'none': remove it, or set "
        "'verified' (FILE)",
    ),
    (
        {"database_managed": False, "database_tls": "verified", "database_host": "192.0.2.1"},
        "stage: database_tls = 'verified' checks that the certificate names database_host, and 192.0.2.1 is an "
        "address: Postgrex compares names only; set the name that is in the certificate (FILE)",
    ),
    (
        {"database_managed": False, "database_name": "billing_prod"},
        "stage: database billing_prod is prod's too: migrations and jobs of one would run on the data of the "
        "other; give each its own (FILE)",
    ),
]


@pytest.mark.parametrize(("changes", "line"), ALONE, ids=[str(changes)[:40] for changes, _ in ALONE])
def test_one_mistake_is_one_line_in_the_file_it_stands_in(changes: dict[str, Any], line: str) -> None:
    machine = {"ssh_hostname": "server.example.com"}
    hosts = Inventory(
        ([("prod", machine), ("stage", machine)], {}), live=(["prod"], PROD), test=(["stage"], STAGE | changes)
    )
    message = "\n".join(["1 problem:", f"  {line.replace('FILE', 'group_data/test.py')}", FOOTER])
    assert describe(problems(hosts)) == message


def test_ten_mistakes_planted_at_once_are_ten_lines() -> None:
    machine = {"ssh_hostname": "server.example.com"}
    stage = STAGE | {
        "prot": 1,
        "memory_limit": 1,
        "release_tool": "exrm",
        "tls_key": "/etc/ssl/a.key",
        "hsts": True,
        "hsts_preload": True,
        "unit_environment": {"PORT": "1"},
        "additional_domains": ["example.com"],
        "aliases": {"prod": "ls"},
        "port": 4000,
    }
    hosts = Inventory(([("p", machine), ("s", machine)], {}), prod=(["p"], PROD), stage=(["s"], stage))
    found = problems(hosts)
    assert describe(found).splitlines()[0] == "10 problems:"
    assert [problem.text.split(" ")[0].rstrip(":") for problem in found] == [
        "release_tool", "memory_limit", "prot", "tls_key", "hsts", "hsts_preload", "unit_environment", "port", "server",
        "alias",
    ]  # fmt: skip
    assert {problem.where for problem in found} == {"group_data/stage.py"}


def test_a_missing_key_does_not_hide_a_collision(inventory: Callable[..., Inventory]) -> None:
    stage = {key: value for key, value in STAGE.items() if key not in ("app", "domain")} | {"port": 4000}
    texts = [problem.text for problem in problems(inventory(prod=PROD, stage=stage))]
    assert [text.split(" ")[:3] for text in texts] == [
        ["app", "is", "not"],
        ["domain", "is", "not"],
        ["port", "4000", "is"],
    ]


# Settings that stand in for what others would be derived from, and those that a rule compares with others.
GIVEN: dict[str, Any] = {
    "node_name": "n@127.0.0.1", "database_name": "d", "database_user": "d", "additional_domains": ["www.example.org"],
    "hsts_parents": ["example.net"], "aliases": {"a": "b"}, "unit_environment": {"A": "b"}, "database_managed": False,
    "database_host": "db.example.com", "database_tls": "verified", "database_tls_ca": "/etc/ssl/ca.pem",
}  # fmt: skip


@pytest.mark.parametrize("given", [{}, GIVEN], ids=["little else", "much else"])
@pytest.mark.parametrize("key", Settings.model_fields)
def test_any_one_wrong_key_is_named_and_stops_no_rule(
    inventory: Callable[..., Inventory], key: str, given: dict[str, Any]
) -> None:
    """Rules read what is derived from keys, one of which may not be there to read."""
    found = problems(inventory(stage=STAGE | given | {key: object()}, prod=PROD))
    assert [problem for problem in found if problem.host == "stage" and key in problem.text] != []


def test_data_on_the_command_line_counts_for_hosts_of_the_run_alone() -> None:
    machine = {"ssh_hostname": "server.example.com"}
    hosts = Inventory(
        ([("prod", machine), ("stage", machine)], {}),
        override_data={"port": 4002},
        prod=(["prod"], PROD),
        stage=(["stage"], STAGE),
    )
    assert examine(hosts, ["stage"])[1] == []
    (problem,) = examine(hosts, ["stage", "prod"])[1]
    assert (problem.host, problem.where) == ("stage", "--data")


def test_group_data_and_environments_belong_together() -> None:
    hosts = Inventory(
        (["a", "b"], {"app": "billing"}),
        stage=(["a"], STAGE),
        qa=(["b"], {}),
        qaa=([], {"port": 4003}),
        inventory=([], {"x": 1}),
    )
    assert problems(hosts) == [
        Problem(
            "qaa",
            "no host is in this group, so nothing reads its data: add the group to inventory.py, or delete the file; did "
            "you mean qa?",
            "group_data/qaa.py",
        ),
        Problem(
            "inventory",
            "pyinfra puts every host into the group inventory: rename the file, or use all.py",
            "group_data/inventory.py",
        ),
        Problem(
            "b",
            "has no settings of its own, so it is no environment: write group_data/qa.py for the group qa in inventory.py,"
            " or take the host out; did you mean qaa?",
            "inventory.py",
        ),
    ]


def test_two_groups_with_data_for_one_host_are_refused() -> None:
    hosts = Inventory((["a"], {}), stage=(["a"], STAGE), extra=(["a"], {"indexed": True}))
    assert problems(hosts) == [
        Problem(
            "a",
            "is in the groups stage and extra, and both have data: the later would silently win; keep one",
            "inventory.py",
        )
    ]


OPTION_LINES: list[tuple[dict[str, Any], list[str]]] = [
    ({"limit": ("stage",), "exclude": ("prod",)}, []),
    ({"limit": ("st*",)}, []),
    (
        {"limit": ("stagee",)},
        [
            "--limit stagee: there is no environment 'stagee' (did you mean stage?); there are: stage, prod (command line)"
        ],
    ),
    (
        {"limit": ("stage", "nowhere")},
        ["--limit nowhere: there is no environment 'nowhere'; there are: stage, prod (command line)"],
    ),
    (
        {"exclude": ("qqq",)},
        ["--exclude qqq: there is no environment 'qqq'; there are: stage, prod (command line)"],
    ),
    (
        {"limit": ("stage",), "exclude": ("stage",)},
        ["the run: no host is left: nothing would be done; change --limit or --exclude (command line)"],
    ),
    (
        {"serial": True, "no_wait": True},
        [
            f"{option}: breaks the order of steps: a machine must be ready before any of its environments; leave it out "
            "(command line)"
            for option in ("--serial", "--no-wait")
        ],
    ),
]


@pytest.mark.parametrize(("options", "lines"), OPTION_LINES, ids=[str(options) for options, _ in OPTION_LINES])
def test_options_that_cannot_work(
    inventory: Callable[..., Inventory], options: dict[str, Any], lines: list[str]
) -> None:
    found = option_problems(inventory(stage=STAGE, prod=PROD), OPTIONS | options)
    assert [f"{host}: {text} ({where})" for host, text, where in found] == lines


def test_connection_files_of_the_run_must_be_there(inventory: Callable[..., Inventory], tmp_path: Path) -> None:
    hosts = inventory(
        stage=STAGE | {"ssh_key": str(tmp_path / "key")},
        prod=PROD | {"ssh_config_file": ".sandbox/nothing"},
        qa=PROD | {"ssh_key": str(tmp_path)},
    )
    assert [problem.text for problem in connection_problems(hosts, ["stage", "qa"])] == [
        f"ssh_key = '{tmp_path / 'key'}': there is no such file, and SSH cannot reach the machine without it: put it there, "
        "or correct the path"
    ]
    assert [problem.text for problem in connection_problems(hosts, ["prod"])] == [
        "ssh_config_file = '.sandbox/nothing': there is no such file, and SSH cannot reach the machine without it: run "
        "`make sandbox-up`, which boots it"
    ]


def test_a_vault_without_a_seal_is_named(inventory: Callable[..., Inventory], tmp_path: Path) -> None:
    make_vaults(tmp_path, ["stage"])
    place = {"vault_directory": str(tmp_path), "vault_identity": str(tmp_path / IDENTITY)}
    subjects, _ = examine(inventory(stage=STAGE | place), ["stage"])
    path = tmp_path / "stage.age"
    assert unsealed(subjects, open_vaults(subjects)) == []
    plain = store.decrypt(path.read_bytes(), path, find_identities(str(tmp_path / IDENTITY)))
    path.write_bytes(store.seal(plain, read_recipients(tmp_path)))
    assert ["may be forged" in problem.text for problem in forged(subjects, open_vaults(subjects))] == [True]
    (tmp_path / "recipients.txt").write_text((tmp_path / "recipients.txt").read_text().replace("# sealed: ", "# "))
    assert f"{path}: without a seal" in unsealed(subjects, open_vaults(subjects))[0]
    assert list(forged(subjects, open_vaults(subjects))) == []
    with (tmp_path / "recipients.txt").open("a") as recipients:
        recipients.write("# sealed: prod.age\n")
    assert [problem.text.partition(" carries")[2] for problem in forged(subjects, open_vaults(subjects))] == [
        " no seal, and a vault beside it does. Look at its values; `make vault-recipients` then seals it"
    ]


def test_a_cookie_is_shared_nowhere_and_shown_nowhere(inventory: Callable[..., Inventory], tmp_path: Path) -> None:
    make_vaults(tmp_path, ["stage", "prod"])
    cookie = "an-erlang-cookie-of-both"
    for name in ("stage", "prod"):
        path = tmp_path / f"{name}.age"
        identities = find_identities(str(tmp_path / IDENTITY))
        values = store.read_values(store.decrypt(path.read_bytes(), path, identities))
        text = "".join(f'{key} = "{value}"\n' for key, value in (values | {"cookie": cookie}).items())
        store.store_sealed(path, text.encode(), read_recipients(tmp_path), identities, path.read_bytes())
    place = {"vault_directory": str(tmp_path), "vault_identity": str(tmp_path / IDENTITY)}
    qa = PROD | place | {"environment": "qa", "domain": "qa.example.com", "port": 4005}
    hosts = inventory(stage=STAGE | place, prod=PROD | place | {"ssh_hostname": "other.example.com"}, qa=qa)
    subjects, others = examine(hosts, ["stage", "prod", "qa"])
    vaults = open_vaults(subjects)
    found = list(shared_cookies(subjects, vaults))
    assert others == []
    assert found == [
        Problem(
            "prod",
            "cookie is the same as stage's: who has it can run any code in both nodes; run `make vault-rotate ENV=prod "
            "KEY=cookie`, which makes another",
            str(tmp_path / "prod.age"),
        )
    ]
    assert cookie not in describe(found)
    assert not_compared(vaults) == [f"not compared: there is no {tmp_path}/qa.age"]
    assert list(vault_problems(subjects, vaults, ["stage", "prod"])) == []
    assert list(vault_problems(subjects, vaults, ["qa"])) == [
        Problem("qa", f"there is no {tmp_path}/qa.age: `make vault-init ENV=qa` makes it", "inventory.py")
    ]


def test_a_site_that_asks_for_a_password_has_one(inventory: Callable[..., Inventory], tmp_path: Path) -> None:
    make_vaults(tmp_path, ["stage"])
    place = {"vault_directory": str(tmp_path), "vault_identity": str(tmp_path / IDENTITY)}
    subjects, _ = examine(inventory(stage=STAGE | place | {"basic_auth_user": "team"}), ["stage"])
    assert list(missing_passwords(subjects, open_vaults(subjects))) == [
        Problem(
            "stage",
            f"basic_auth_user = 'team' needs basic_auth_password in {tmp_path}/stage.age: `make vault-init ENV=stage` "
            "makes one, `make vault-edit ENV=stage` stores one you choose",
            "inventory.py",
        )
    ]


def test_certificates_by_dns_have_a_key(inventory: Callable[..., Inventory], tmp_path: Path) -> None:
    make_vaults(tmp_path, ["stage"])
    place = {"vault_directory": str(tmp_path), "vault_identity": str(tmp_path / IDENTITY)}
    dns = {"tls": "acme", "acme_dns": "rfc2136", "acme_dns_server": "192.0.2.53", "acme_dns_key": "billing"}
    subjects, problems = examine(inventory(stage=STAGE | place | dns), ["stage"])
    assert problems == []
    assert list(missing_dns_secrets(subjects, open_vaults(subjects))) == [
        Problem(
            "stage",
            f"acme_dns = 'rfc2136' needs acme_dns_secret in {tmp_path}/stage.age, the secret of the TSIG key in base64: "
            "`make vault-set ENV=stage KEY=acme_dns_secret` stores it",
            "inventory.py",
        )
    ]


@pytest.mark.parametrize(
    ("named", "stored", "texts"),
    [
        (["STRIPE_KEY"], ["STRIPE_KEY"], []),
        ([], [], []),
        (
            ["STRIPE_KEY", "SENTRY_DSN", "A"],
            ["A"],
            ["secret_variables names STRIPE_KEY, SENTRY_DSN, and FILE has no such key: `make vault-set ENV=stage "
             "KEY=STRIPE_KEY` stores a value"],
        ),
        (
            ["A"],
            ["STRIPE_KY", "A"],
            ["FILE has STRIPE_KY, and nothing names it in group data, so no process gets it: write secret_variables = "
             '["A", "STRIPE_KY"], or name it in build_secrets, or take the key out with `make vault-edit ENV=stage`'],
        ),
    ],
)  # fmt: skip
def test_vault_and_group_data_name_the_same_variables(
    inventory: Callable[..., Inventory], tmp_path: Path, named: list[str], stored: list[str], texts: list[str]
) -> None:
    make_vaults(tmp_path, ["stage"])
    path = tmp_path / "stage.age"
    identities = find_identities(str(tmp_path / IDENTITY))
    plain = store.decrypt(path.read_bytes(), path, identities)
    added = "".join(f'{name} = "hunter2"\n' for name in stored).encode()
    store.store_sealed(path, plain + added, read_recipients(tmp_path), identities, path.read_bytes())
    place = {"vault_directory": str(tmp_path), "vault_identity": str(tmp_path / IDENTITY), "secret_variables": named}
    subjects, _ = examine(inventory(stage=STAGE | place), ["stage"])
    found = list(different_variables(subjects, open_vaults(subjects).opened))
    assert [problem.text.replace(str(path), "FILE") for problem in found] == texts
    assert "hunter2" not in str(found)
    assert list(different_variables(subjects, {})) == []


def test_secrets_of_a_build_that_a_vault_lacks_are_named(inventory: Callable[..., Inventory], tmp_path: Path) -> None:
    make_vaults(tmp_path, ["stage"])
    place = {"vault_directory": str(tmp_path), "vault_identity": str(tmp_path / IDENTITY), "build_secrets": ["TOKEN"]}
    subjects, _ = examine(inventory(stage=STAGE | place), ["stage"])
    opened = open_vaults(subjects).opened
    assert [problem.text for problem in missing_build_secrets(subjects, opened)] == [
        f"build_secrets names TOKEN, and {tmp_path}/stage.age has no such key: `make vault-set ENV=stage KEY=TOKEN` stores "
        "a value"
    ]
    # An apply works without them.
    assert list(different_variables(subjects, opened)) == []
    assert list(missing_build_secrets(subjects, {})) == []


ELSEWHERE = {"database_managed": False, "database_host": "db.example.com", "database_name": "billing"}


def test_two_environments_do_not_share_a_database_anywhere(inventory: Callable[..., Inventory]) -> None:
    other = PROD | ELSEWHERE | {"ssh_hostname": "other.example.com"}
    assert problems(inventory(stage=STAGE | ELSEWHERE, prod=other)) == [
        Problem(
            "prod",
            "database billing is stage's too: migrations and jobs of one would run on the data of the other; give each its "
            "own",
            "inventory.py",
        )
    ]
    assert problems(inventory(stage=STAGE | ELSEWHERE, prod=other | {"database_port": 5433})) == []
