"""docs/group-data.md describes every setting, and agrees with the models."""

from typing import Annotated, Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from commands import reference
from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from group_data.schema.settings import Settings

SETTINGS = sorted(Settings.model_fields)


def test_the_committed_file_is_up_to_date() -> None:
    assert reference.FILE.read_text() == reference.text(), "run `make docs` and commit docs/group-data.md"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_has_meaning_unit_and_example(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description, f"{name} needs a description"
    assert reference.examples(field), f"{name} needs examples=[…]"
    if int in (field.annotation, *get_args(field.annotation)):
        assert reference.unit(field), f'{name} is a number: give it json_schema_extra={{"unit": "…"}}'
        assert " to " in reference.text().split(f"### `{name}`")[1].split("- default")[0], f"{name} needs ge= and le="


@pytest.mark.parametrize("name", SETTINGS)
def test_an_example_is_accepted_and_not_the_default(name: str) -> None:
    for example in reference.examples(Settings.model_fields[name]):
        accept(name, example)
        assert example != Settings.model_fields[name].get_default(call_default_factory=True)


@pytest.mark.parametrize(
    ("name", "value"), [("port", 80), ("domain", "Stage"), ("tls", "maybe"), ("mix_env", "x" * 32)]
)
def test_a_wrong_example_would_be_found(name: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        accept(name, value)


def accept(name: str, value: Any) -> None:
    """One setting by itself; rules between settings are none of an example's."""
    field = Settings.model_fields[name]
    alone: Any = Annotated[field.annotation, field]
    TypeAdapter(alone, config={"strict": True}).validate_python(value)


def test_every_section_begins_with_a_setting_and_every_setting_is_in_one() -> None:
    assert reference.SECTIONS.keys() <= Settings.model_fields.keys()
    assert next(iter(Settings.model_fields)) in reference.SECTIONS


def test_every_derived_name_has_a_meaning() -> None:
    assert "| `full_name` | `billing_stage` |" in reference.text()
    assert "|  |" not in reference.text()
    assert len(vars(Environment)) > 20


def test_every_key_of_the_vault_has_a_meaning() -> None:
    assert reference.secret_meanings().keys() == Secrets.model_fields.keys()


def test_kinds_of_text_are_said_in_the_words_that_refuse_them() -> None:
    assert "| server name | must be a host name in lower case" in reference.text()
    assert "| name | must match `^[a-z][a-z0-9_]{0,30}$` |" in reference.text()


def test_a_number_says_unit_bounds_default_and_example() -> None:
    section = reference.text().split("### `request_body_limit`")[1].split("##")[0]
    assert section.splitlines()[4:] == [
        "- takes: whole number (MiB), 1 to 10240",
        "- default: `8`",
        "- example: `request_body_limit = 32`",
        "",
    ]
