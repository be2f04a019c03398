"""Differences in the files of mix release."""

from collections.abc import Iterator

from checkout.assignments import read_assignments
from checkout.difference import COOKIE, LITERAL_COOKIE, Compared, compare_setting, cookie_flag, shown_value
from checkout.evaluator import Evaluator
from checkout.files import Read
from checkout.project import Project, provider_paths, read_project
from checkout.syntax import line_of, pairs
from checkout.values import Setting
from checkout.variables import build_variables, start_variables
from checkout.vm_args import read_flags
from checkout.way import NODE_FILE, takes_variables
from group_data.schema.environment import Environment

_UNIT_SETS_IT = "take the line out, because the unit sets it"


def compare(read: Read, environment: Environment) -> Iterator[Compared]:
    """The differences in mix.exs, rel/env.sh.eex and rel/vm.args.eex.

    An application that takes variables needs no provider, and its node name and cookie come from the unit.

    + read: reads a file of the checkout
    + environment: to compare with
    """
    project = read_project(read, environment)
    yield from _release(project, environment)
    if not takes_variables(read, environment):
        yield from _secret_file(project, environment)
    yield from _env_sh(read, environment)
    yield from _vm_args_eex(read)


def _release(project: Project, environment: Environment) -> Iterator[Compared]:
    releases = project.lists.get("releases")
    there = list(pairs(releases)) if releases else []
    # Without release_name the only release counts, whatever its name is.
    named = environment.release in there or (len(there) == 1 and not environment.release_name)
    if releases and there and not named:
        hint = " or ".join(f'release_name = "{name}"' for name in there)
        place = line_of(releases)
        yield Compared(
            "release", ", ".join(there), environment.release, "mix.exs", place, f"set {hint} in group_data/all.py"
        )
    # Only a literal list, or none, tells that the applications are not named.
    elif (
        project.is_umbrella
        and "applications" not in project.release
        and (releases or "releases" not in pairs(project.lists["project"]))
    ):
        place = line_of(releases or project.lists["project"])
        yield Compared("applications of the release", "not set", applications(environment), "mix.exs", place)
    if erts := project.release.get("include_erts"):
        for compared in compare_setting("include_erts", erts, environment.include_erts):
            hint = f"set include_erts = {erts.value} in group_data/all.py" if isinstance(erts.value, bool) else ""
            yield compared._replace(hint=hint)


def applications(environment: Environment) -> str:
    """The option of a release that names the applications of an umbrella.

    + environment: with the application and the endpoint's
    """
    names = dict.fromkeys([environment.app, environment.web_app])
    return f"applications: [{', '.join(f'{name}: :permanent' for name in names)}]"


def _secret_file(project: Project, environment: Environment) -> Iterator[Compared]:
    providers = project.release.get("config_providers", Setting(None, "mix.exs", 1))
    if environment.secret_path not in provider_paths(providers.value):
        expected = f'{{Config.Reader, path: "{environment.secret_path}"}}'
        yield Compared("configuration provider", shown_value(providers.value), expected, providers.file, providers.line)
    if cookie := project.release.get("cookie"):
        yield Compared("cookie", LITERAL_COOKIE, COOKIE, cookie.file, cookie.line)


def _env_sh(read: Read, environment: Environment) -> Iterator[Compared]:
    conditions = Evaluator(environment.mix_env, build_variables(environment))
    variables = start_variables(environment)
    found = read_assignments(read, NODE_FILE, variables, conditions)
    for name in ("RELEASE_DISTRIBUTION", "RELEASE_NODE"):
        for compared in compare_setting(name, found[name], variables[name]) if name in found else ():
            yield compared._replace(hint=_UNIT_SETS_IT)
    if (cookie := found.get("RELEASE_COOKIE")) and cookie.value != variables["RELEASE_COOKIE"]:
        there = shown_value(cookie.value) if "$" in str(cookie.value) else LITERAL_COOKIE
        yield Compared("cookie", there, COOKIE, cookie.file, cookie.line, _UNIT_SETS_IT)


def _vm_args_eex(read: Read) -> Iterator[Compared]:
    found = read_flags(read("rel/vm.args.eex"), "rel/vm.args.eex")
    for flag in ("-name", "-sname"):
        if flag in found:
            yield Compared(flag, str(found[flag].value), "RELEASE_NODE alone", found[flag].file, found[flag].line)
    yield from cookie_flag(found)
