"""Compares the variables in the vaults with group data, and looks at the secrets of builds. No value is ever shown."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from group_data.schema.problem import Problem, Subject
from group_data.schema.secrets import Secrets, group_data_line
from operations.release import build_access
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
            if names := [name for name in dict.fromkeys(named) if name not in secrets.variables]:
                yield subject.problem("secret_variables", build_access.lacking("secret_variables", path, names))
            known = next(subject.read(lambda e: [e.vault_variables]))
            if unnamed := [name for name in secrets.variables if name not in known]:
                yield subject.problem("secret_variables", _unnamed(path, named, unnamed))


def missing_build_secrets(subjects: Sequence[Subject], opened: Mapping[str, tuple[Path, Secrets]]) -> Iterator[Problem]:
    """Secrets of builds that a vault lacks, and those that cannot work. An apply does not need them.

    + subjects: the environments
    + opened: path and secrets by inventory host, as far as this operator can open the vaults
    """
    for subject in subjects:
        if subject.host in opened:
            path, secrets = opened[subject.host]
            for environment in subject.read(lambda e: [e]):
                for key, text in build_access.problems(environment, secrets, path):
                    yield subject.problem(key, text)


def _unnamed(path: Path, named: Sequence[str], names: Sequence[str]) -> str:
    return (
        f"{shown(path)} has {', '.join(names)}, and nothing names it in group data, so no process gets it: write "
        f"{group_data_line([*named, *names])}, or name it in build_secrets, or take the key out with `make vault-edit "
        f"ENV={path.stem}`"
    )
