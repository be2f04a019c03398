"""Keys that are wrong by themselves: an environment without them, and the message for each."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from group_data.schema.environment import Environment
from group_data.schema.problem import Problem, Subject
from group_data.schema.secrets import Secrets
from group_data.schema.settings import Settings
from group_data.schema.types import WORDS


def validate(data: Mapping[str, Any]) -> tuple[Environment, list[ErrorDetails]]:
    """The environment without its wrong keys, and pydantic's errors about these.

    + data: settings by key
    """
    try:
        return Environment.model_validate(data), []
    except ValidationError as error:
        errors = error.errors()
    wrong = {str(detail["loc"][0]) for detail in errors if detail["loc"]}
    right = _fields().model_validate({key: value for key, value in data.items() if key not in wrong})
    environment = Environment.model_construct(**dict(right))
    for key in wrong:
        vars(environment).pop(key, None)
    return environment, errors


@cache
def _fields() -> type[BaseModel]:
    """A model with the same fields and none required, which reads the right keys beside wrong or missing ones."""
    fields: type[BaseModel] = create_model(
        "_Fields",
        __config__=Settings.model_config | {"validate_default": False},
        **{
            name: (field.rebuild_annotation(), None if field.is_required() else field)
            for name, field in Settings.model_fields.items()
        },  # type: ignore[call-overload]
    )
    return fields


def problems_of_keys(subject: Subject, errors: Sequence[ErrorDetails]) -> Iterator[Problem]:
    """One problem for each error.

    + subject: the environment
    + errors: from `validate`
    """
    for detail in errors:
        key = str(detail["loc"][0]) if detail["loc"] else ""
        if not key:
            text = detail["msg"].removeprefix("Value error, ")
        elif detail["type"] == "extra_forbidden":
            text = _unknown(key, detail["input"], vars(subject.environment).get("environment", subject.host))
        elif detail["type"] == "missing":
            text = f"{key} is not set: {Settings.model_fields[key].description}"
        else:
            path = key + "".join(f"[{part!r}]" for part in detail["loc"][1:] if part != "[key]")
            said = WORDS.get(detail.get("ctx", {}).get("pattern", ""), detail["msg"])
            text = f"{path} = {_shown(path, detail['input'])}: {_lower(said)}"
            text += f". {Settings.model_fields[key].description}"
        yield subject.problem(key, text)


def _unknown(key: str, value: object, environment: str) -> str:
    if key in Secrets.model_fields:
        return (
            f"{key} is a secret: take it out of group data (and out of git) and run `make vault-edit ENV={environment}`"
        )
    return f"{key} = {_shown(key, value)}: no such setting{suggestion(key, Settings.model_fields)}"


def suggestion(name: str, possible: Collection[str]) -> str:
    """The end of a message that names a similar word; empty without one.

    + name: the word as it was written
    + possible: the words that may be meant
    """
    near = difflib.get_close_matches(name, possible, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _shown(key: str, value: object) -> str:
    if re.search("passw|secret|token|cookie|key_base|api_key|credential", key, re.IGNORECASE):
        return "(a secret by its name: not shown)"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]
