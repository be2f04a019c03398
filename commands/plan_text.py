"""What a plan would change, as text."""

from typing import Any


def summary(operations: list[dict[str, Any]]) -> list[str]:
    """The steps that would change something, one a line with their environments.

    + operations: the "plan" of pyinfra's JSON
    """
    changes = {
        operation["name"]: sorted({*operation["hosts_with_change"], *operation["hosts_with_conditional_change"]})
        for operation in operations
    }
    return [f"  {name}: {', '.join(hosts)}" for name, hosts in changes.items() if hosts]
