"""The changes of a plan, as text."""

from typing import Any


def summary(operations: list[dict[str, Any]]) -> list[str]:
    """The steps that would change something, one a line with their environments.

    + operations: the "plan" of pyinfra's JSON
    """
    changes: dict[str, set[str]] = {}
    # Steps that environments take one after the other have one name.
    for operation in operations:
        hosts = {*operation["hosts_with_change"], *operation["hosts_with_conditional_change"]}
        changes.setdefault(operation["name"], set()).update(hosts)
    return [f"  {name}: {', '.join(sorted(hosts))}" for name, hosts in changes.items() if hosts]
