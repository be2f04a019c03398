from collections.abc import Callable
from typing import Any

import pytest
from pyinfra.api import Inventory

from group_data.schema.environment import Environment

STAGE: dict[str, Any] = {"app": "billing", "environment": "stage", "domain": "stage.example.com", "port": 4001}
PROD: dict[str, Any] = {"app": "billing", "environment": "prod", "domain": "example.com", "port": 4000}


@pytest.fixture
def environment() -> Callable[..., Environment]:
    """An environment, with some settings changed."""

    def make(base: dict[str, Any] = STAGE, **changes: Any) -> Environment:
        return Environment.model_validate(base | changes)

    return make


@pytest.fixture
def inventory() -> Callable[..., Inventory]:
    """An inventory of environments by host name, all of them on one machine unless their data says otherwise."""

    def make(override_data: dict[str, Any] | None = None, **hosts: dict[str, Any]) -> Inventory:
        return Inventory(
            ([(name, {"ssh_hostname": "server.example.com"} | data) for name, data in hosts.items()], {}),
            override_data=override_data,
            **{name: ([name], {}) for name in hosts},
        )

    return make
