"""edeliver's .deliver/config."""

import re

from group_data.schema.environment import Environment

# edeliver's variable for the directory of an environment; it knows these two environments alone.
DELIVERED = {"stage": "TEST_AT", "prod": "DELIVER_TO"}

HOOK = "pre_erlang_get_and_update_deps"


def hook_in(text: str) -> re.Match[str] | None:
    """edeliver's hook before it fetches dependencies. bash runs the last one, so the others do not count.

    + text: of a .deliver/config
    """
    found = list(
        re.finditer(
            rf"^[ \t]*(?:function[ \t]+)?{HOOK}\b[^{{\n]*\{{(?:[^\n]*\}}[ \t]*$|.*?^[ \t]*\}})",
            text,
            re.MULTILINE | re.DOTALL,
        )
    )
    return found[-1] if found else None


def build_at(environment: Environment) -> str:
    """The directory edeliver builds in: beside the environments, so that the same user owns it."""
    return f"{environment.home}/build"
