"""Differences in the files of mix release."""

from collections.abc import Iterator

from checkout.difference import COOKIE, LITERAL_COOKIE, Compared, compare_setting, cookie_flag, shown_value
from checkout.evaluator import Evaluator
from checkout.files import Read
from checkout.project import provider_paths, read_project
from checkout.syntax import line_of, pairs
from checkout.values import Setting
from checkout.variables import build_variables, read_assignments, start_variables
from checkout.vm_args import read_flags
from group_data.schema.environment import Environment


def compare(read: Read, environment: Environment) -> Iterator[Compared]:
    """The differences in mix.exs, rel/env.sh.eex and rel/vm.args.eex.

    + read: reads a file of the checkout
    + environment: to compare with
    """
    yield from _mix_release(read, environment)
    yield from _env_sh(read, environment)
    yield from _vm_args_eex(read)


def _mix_release(read: Read, environment: Environment) -> Iterator[Compared]:
    project = read_project(read, environment)
    release, there = project.release, list(pairs(project.lists["releases"])) if "releases" in project.lists else []
    if there and environment.app not in there:
        yield "release", ", ".join(there), environment.app, "mix.exs", line_of(project.lists["releases"])
    providers = release.get("config_providers", Setting(None, "mix.exs", 1))
    if environment.secret_path not in provider_paths(providers.value):
        expected = f'{{Config.Reader, path: "{environment.secret_path}"}}'
        yield "configuration provider", shown_value(providers.value), expected, providers.file, providers.line
    if "include_erts" in release:
        yield from compare_setting("include_erts", release["include_erts"], environment.include_erts)
    if "cookie" in release:
        yield "cookie", LITERAL_COOKIE, COOKIE, release["cookie"].file, release["cookie"].line


def _env_sh(read: Read, environment: Environment) -> Iterator[Compared]:
    conditions = Evaluator(environment.mix_env, build_variables(environment))
    variables = start_variables(environment)
    found = read_assignments(read, "rel/env.sh.eex", variables, conditions)
    for name in ("RELEASE_DISTRIBUTION", "RELEASE_NODE"):
        if name in found:
            yield from compare_setting(name, found[name], variables[name])
    if "RELEASE_COOKIE" in found and found["RELEASE_COOKIE"].value != variables["RELEASE_COOKIE"]:
        yield "cookie", LITERAL_COOKIE, COOKIE, found["RELEASE_COOKIE"].file, found["RELEASE_COOKIE"].line


def _vm_args_eex(read: Read) -> Iterator[Compared]:
    found = read_flags(read("rel/vm.args.eex"), "rel/vm.args.eex")
    for flag in ("-name", "-sname"):
        if flag in found:
            yield flag, str(found[flag].value), "RELEASE_NODE alone", found[flag].file, found[flag].line
    yield from cookie_flag(found)
