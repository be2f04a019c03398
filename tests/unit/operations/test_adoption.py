"""Things of somebody else: all of them in one refusal, or in the plan with the consequence of each."""

from collections.abc import Sequence
from typing import Any

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from operations import adoption, database
from operations.adoption import NotOurs, ThingsNotOurs
from operations.nginx_loaded import NOT_INSTALLED, Loaded, NginxConfiguration
from tests.unit.conftest import STAGE

THINGS = [
    ["user", "billing", "/srv/billing", "/bin/sh"],
    ["group", "billing_stage", "ann, bob"],
    ["unit", "/etc/systemd/system/billing_stage.service"],
    ["file", "/var/stage.secret.exs"],
    ["alias", "stage", "/srv/billing/.bashrc"],
]
CONSEQUENCES = [
    "user billing: home /srv/billing and shell /bin/sh become /home/billing and /bin/bash, and it manages the units",
    "group billing_stage: its members ann, bob may read the secret file",
    "unit /etc/systemd/system/billing_stage.service: it is replaced; what it started runs until the first release",
    "file /var/stage.secret.exs: it is replaced",
    "alias stage in /srv/billing/.bashrc: the one of apply comes later and counts",
    "PostgreSQL role billing_stage: it gets the vault's password, and loses all rights outside its database",
    "PostgreSQL database billing_stage of chef, 2 tables with about 5000 rows: only billing_stage may connect to it, which "
    "then owns it and what chef owns in it",
]
SERVER = {
    "role": {"ours": None},
    "database": {"ours": None, "owner": "chef", "of_superuser": False},
    "extensions": [],
}


class FakeHost:
    """A host that answers the questions of adoption.

    + things: that are not ours
    + server: PostgreSQL's roles and databases
    """

    def __init__(self, things: NotOurs, server: dict[str, Any] | None) -> None:
        self._answers: dict[type, Any] = {
            ThingsNotOurs: things,
            database.ServerState: server,
            NginxConfiguration: NOT_INSTALLED,
        }

    def get_fact(self, fact: type, **_: object) -> Any:
        return self._answers.get(fact, "2 tables with about 5000 rows")


def require(
    monkeypatch: pytest.MonkeyPatch, things: NotOurs, server: dict[str, Any] | None, **settings: object
) -> list[str]:
    """The lines of the plan."""
    said: list[str] = []
    monkeypatch.setattr(adoption, "host", FakeHost(things, server))
    monkeypatch.setattr(adoption, "announce", said.append)
    adoption.require(Environment.model_validate(STAGE | settings))
    return said


def test_all_of_it_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError) as refusal:
        require(monkeypatch, NotOurs(prepared=False, things=THINGS), SERVER)
    lines = str(refusal.value).splitlines()
    assert [line.strip() for line in lines[1:-1]] == CONSEQUENCES
    assert lines[-1].startswith("If it is this environment's, set adopt = True in group_data/stage.py.")
    assert lines[-1].endswith("Nothing was changed")


def test_all_of_it_is_in_the_plan_that_adopts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = require(monkeypatch, NotOurs(prepared=False, things=THINGS), SERVER, adopt=True)
    assert said == [f"Will take over {consequence}" for consequence in CONSEQUENCES]


@pytest.mark.parametrize(
    ("things", "server"),
    [
        (NotOurs(prepared=False, things=[]), {"role": {}, "database": {}, "extensions": []}),
        (NotOurs(prepared=True, things=[]), SERVER | {"database": {"ours": None, "owner": "billing_stage"}}),
        (NotOurs(prepared=False, things=[]), None),
    ],
    ids=["bare", "prepared", "PostgreSQL does not answer"],
)
def test_nothing_to_take_over(monkeypatch: pytest.MonkeyPatch, things: NotOurs, server: dict[str, Any] | None) -> None:
    assert require(monkeypatch, things, server) == []


def test_a_database_elsewhere_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert require(monkeypatch, NotOurs(prepared=False, things=[]), SERVER, database_managed=False) == []


def test_every_file_that_apply_writes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Host:
        def get_fact(self, _: type, words: Sequence[str] = ()) -> Loaded:
            asked.extend(words)
            return NOT_INSTALLED._replace(installed=True, includes=["/etc/nginx/vhosts.d/*.conf"])

    monkeypatch.setattr(adoption, "host", Host())
    environment = Environment.model_validate(STAGE)
    adoption.not_ours(environment)
    assert "/usr/local/libexec/billing_*-switch" in asked
    assert "/etc/nginx/vhosts.d/billing_stage.conf" in asked
    for path in (environment.secret_path, environment.variables_path, environment.polkit_rule_path):
        assert path in asked
