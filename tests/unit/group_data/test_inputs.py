"""Rules for every input without a machine; tests/host/test_inputs.py asks the programs."""

import re
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from group_data.schema.inventory import SettingsError
from group_data.schema.settings import Settings
from tests.inputs import refusals, values
from tests.inputs.cases import Case, Drawn
from tests.inputs.refusals import WrongError, accept
from tests.sandbox.vaults import make_vaults
from vault import store

TYPES = get_type_hints(Settings, include_extras=True)

# These are quoted wherever they stand, or code by intention; all others
# stand as they are in nginx's sites, units, SQL, Elixir and shell.
CODE = {"build_commands", "migrate_command", "migrate_down_command", "migrations_command"}
QUOTED = {
    "aliases",
    "unit_environment",
    "stand_in_environment",
    "database_name",
    "database_user",
    "repository",
    "elixir_source",
    "erlang_source",
    *CODE,
}
# The star is for nginx. The shell gets none: `asked_names`.
SAFE = re.compile(r"(\*\.)?[A-Za-z0-9._@:/+-]*")


def _texts(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", [name for name in values.FIELDS if name not in QUOTED])
def test_unquoted_values_have_no_special_character(name: str, *, everything: bool) -> None:
    adapter = TypeAdapter[Any](TYPES[name])

    @settings(
        max_examples=50 if everything else 10,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(values.hostile(name) | values.ordinary(name))
    def check(value: Any) -> None:
        try:
            accepted = adapter.validate_python(value)
        except ValidationError:
            return
        assert [text for text in _texts(accepted) if not SAFE.fullmatch(text)] == []

    check()


@pytest.mark.parametrize("name", list(values.FIELDS))
def test_every_setting_has_values(name: str) -> None:
    assert not values.ordinary(name).is_empty
    assert not values.hostile(name).is_empty


def test_a_setting_whose_values_nobody_knows_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newer(Settings):
        colour: Annotated[str, AfterValidator(str.lower)] = Field(default="red", description="A colour.")

    monkeypatch.setitem(values.FIELDS, "colour", Newer.model_fields["colour"])
    monkeypatch.setitem(values._TYPES, "colour", get_type_hints(Newer, include_extras=True)["colour"])
    with pytest.raises(TypeError, match=r"no values are known for colour, .* add the type to _ORDINARY"):
        values.ordinary("colour")


# --- The judge of refusals is judged ----------------------------------------------------------------------------------


@pytest.fixture
def vaults(tmp_path: Path) -> Path:
    make_vaults(tmp_path / "vault", [])
    return tmp_path / "vault"


def case(**secrets: Any) -> Case:
    return Case(1, Drawn(tls=0, database=0, settings={"port": 1}, secrets=secrets, style=0))


@pytest.mark.parametrize("refusal", ["1 problem:\n  host: is wrong (x)\nNothing", "1 problem", "  host: port \x1b[31m"])
def test_a_refusal_without_its_key_or_with_a_terminals_commands_is_wrong(
    vaults: Path, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    def refuse(_: object) -> None:
        raise SettingsError(refusal)

    refuse.cache_clear = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(refusals, "read_environments", refuse)
    with pytest.raises(WrongError):
        accept(case(), vaults)


@pytest.mark.parametrize("refusal", ["it:\n  cookie: no, not hunter2hunter2", "it:\n  other: no"])
def test_a_refusal_that_shows_a_secret_or_names_no_key_is_wrong(
    vaults: Path, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    def refuse(*_: object) -> None:
        raise store.VaultError(refusal)

    monkeypatch.setattr(store, "open_vault", refuse)
    with pytest.raises(WrongError):
        accept(case(cookie="hunter2hunter2"), vaults)


# `make soak` called this case wrong (seed 101252271, case 631): the message says "PostgreSQL " too.
SPOKEN = Case(
    631,
    Drawn(
        tls=4,
        database=1,
        settings={
            "toolchain": "https://Q.FFxyWu6zLo-2K",
            "unit_environment": {
                "unalias": "$qBs9jL3",
                "do\ue000\\\\": "# END billing_stage, managed by the deploy repository",
                "LC_ALL": ".{% raw %}",
            },
        },
        secrets={
            "qw69ca13ftdhxhlso_iq4b": "hr1000100110021003100410051006100710081009101010111012101310141015",
            "database_password": "1000100110021003100410051006100710081009101010111012101310141015\ufeff\x7f'",
            "ee": "PostgreSQL database1000100110021003100410051006100710081009101010111012101310141015",
        },
        style=2,
    ),
)


def test_a_secret_may_hold_words_of_the_message(vaults: Path) -> None:
    assert accept(SPOKEN, vaults) is None


@pytest.mark.parametrize("shown", ["PostgreSQL database1000", "database10001001"])
def test_a_leak_is_found_beside_words_of_the_message(vaults: Path, monkeypatch: pytest.MonkeyPatch, shown: str) -> None:
    def refuse(*_: object) -> None:
        raise store.VaultError(f"it cannot be used:\n  ee: PostgreSQL does not take {shown}")

    monkeypatch.setattr(store, "open_vault", refuse)
    with pytest.raises(WrongError, match="a secret is in the message"):
        accept(SPOKEN, vaults)


def test_bad_values_are_refused_and_good_ones_accepted(vaults: Path) -> None:
    assert accept(case(), vaults) is None
    usual = accept(Case(1, Drawn(tls=0, database=0, settings={}, secrets={}, style=0)), vaults)
    assert usual is not None
    assert usual.environment.full_name == "app1_stage1"
