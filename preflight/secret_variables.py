"""Compares the variables in the vaults with secret_variables in group data. No value is ever shown."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from group_data.schema.problem import Problem, Subject
from group_data.schema.secrets import Secrets, group_data_line
from vault.keys import shown


def different_variables(subjects: Sequence[Subject], opened: Mapping[str, tuple[Path, Secrets]]) -> Iterator[Problem]:
    """Variables that a vault lacks, and those in a vault that group data does not name.

    + subjects: the environments
    + opened: path and secrets by inventory host, as far as this operator can open the vaults
    """
    for subject in subjects:
        if subject.host not in opened:
            continue
        path, secrets = opened[subject.host]
        for named in subject.read(lambda e: [e.secret_variables]):
            if lacking := [name for name in dict.fromkeys(named) if name not in secrets.variables]:
                yield subject.problem("secret_variables", _lacking(path, lacking))
            if unnamed := [name for name in secrets.variables if name not in named]:
                yield subject.problem("secret_variables", _unnamed(path, named, unnamed))


def _lacking(path: Path, names: Sequence[str]) -> str:
    return (
        f"secret_variables names {', '.join(names)}, and {shown(path)} has no such key: `make vault-set ENV={path.stem} "
        f"KEY={names[0]}` stores a value"
    )


def _unnamed(path: Path, named: Sequence[str], names: Sequence[str]) -> str:
    return (
        f"{shown(path)} has {', '.join(names)}, and nothing names it in group data, so no process gets it: write "
        f"{group_data_line([*named, *names])}, or take the key out with `make vault-edit ENV={path.stem}`"
    )
