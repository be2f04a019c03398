"""What `make plan` ends with: `pyinfra … --dry --diff --json | python -m commands.plan_summary` lists what would change.

pyinfra shows the differences on standard error as it finds them, and its plan as JSON on standard output once it is
complete, so that the JSON tells that it came to its end.

Exit code 0: the plan was shown. 3: likewise, and nothing would change. 1: there is no complete plan. 130: interrupted.
"""

import json
import sys
from typing import Any

NOTHING = 3


def main() -> int:
    """Print the plan that standard input holds."""
    try:
        text = sys.stdin.read()
    except KeyboardInterrupt:
        return 130
    try:
        operations = json.loads(text)["plan"]
    except ValueError:
        print("\nThe plan was not finished, for the reason above. Nothing was changed.", file=sys.stderr)
        return 1
    lines = summary(operations)
    print("\n".join(["", "This would change:", *lines]) if lines else "\nNothing would change.")
    return 0 if lines else NOTHING


def summary(operations: list[dict[str, Any]]) -> list[str]:
    """The steps that would change something, one a line with their environments.

    + operations: the "plan" of pyinfra's JSON
    """
    changes = {
        operation["name"]: sorted({*operation["hosts_with_change"], *operation["hosts_with_conditional_change"]})
        for operation in operations
    }
    return [f"  {name}: {', '.join(hosts)}" for name, hosts in changes.items() if hosts]


if __name__ == "__main__":
    sys.exit(main())
