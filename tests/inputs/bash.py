"""The aliases, read back by bash."""

import re
from collections.abc import Sequence

from group_data.schema.environment import Environment
from operations.aliases import alias_lines
from tests.inputs.machine_files import fresh, inside, put, ran
from tests.inputs.refusals import Accepted
from tests.sandbox.machine import Machine

_DIRECTORY = "/run/inputs"

# Aliases are expanded while the file is read, as in the interactive shell that reads it; the rest of this line is parsed
# before there are any. One bash for each file, as an alias may have the name of whatever a loop would use.
SHOW = r'for name in "${!BASH_ALIASES[@]}"; do printf "%s\0" "$name" "${BASH_ALIASES[$name]}"; done'
_READ = f"""
cd {_DIRECTORY}
for number in "$@"; do
    bash -O expand_aliases -c '. "./$0"; {SHOW}' "$number" > "$number.seen" 2> "$number.errors"
done
"""


def aliases_arrive(machine: Machine, accepted: Sequence[Accepted]) -> list[str]:
    """bash knows each alias with exactly its text, placeholders replaced, and no other; reading them runs nothing."""
    fresh(machine, _DIRECTORY)
    files = {item.case.number: "".join(f"{line}\n" for line in alias_lines(item.environment)) for item in accepted}
    put(machine, {f"{_DIRECTORY}/{number}": text for number, text in files.items()})
    machine.run(f"set -- {' '.join(map(str, files))}\n{_READ}", check=False)
    complaints = ran(machine)
    for item in accepted:
        errors = inside(machine, f"{_DIRECTORY}/{item.case.number}.errors").read_text(errors="replace")
        parts = inside(machine, f"{_DIRECTORY}/{item.case.number}.seen").read_bytes().split(b"\0")
        seen = dict(zip(parts[::2], parts[1::2], strict=False))
        expected = _expected(item.environment)
        if errors or seen != expected:
            complaints.append(f"bash: {errors}{seen!r:.400} instead of {expected!r:.400}: {item.case}")
    return complaints


def _expected(environment: Environment) -> dict[bytes, bytes]:
    """The aliases as the setting's description says, independent of the code that makes them."""
    root = f"/home/{environment.app}/{environment.environment}"
    app_path = f"{root}/{environment.app}"
    name = f"{environment.app}_{environment.environment}"
    values = {
        "unit": name,
        "root": root,
        "app_path": app_path,
        "console": f"sudo -n /usr/local/libexec/{name}-switch console",
    }
    aliases = {environment.environment: f"cd {app_path} 2>/dev/null || cd {root}"}
    for alias, text in environment.aliases.items():
        aliases[alias] = re.sub(r"\{(unit|root|app_path|console)\}", lambda found: values[found[1]], text)
    return {alias.encode(): text.encode() for alias, text in aliases.items()}
