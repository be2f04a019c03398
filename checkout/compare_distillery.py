"""Differences in the files of Distillery and edeliver."""

from collections.abc import Iterator

from checkout.assignments import read_assignments
from checkout.difference import COOKIE, LITERAL_COOKIE, Compared, compare_setting, cookie_flag
from checkout.distillery import read_cookies, read_environment, read_releases
from checkout.edeliver import DELIVERED, HOOK, build_at, hook_in
from checkout.files import Read
from checkout.syntax import line_of
from checkout.values import Setting
from checkout.vm_args import read_flags
from group_data.schema.environment import Environment


def compare(read: Read, environment: Environment) -> Iterator[Compared]:
    """The differences in rel/config.exs, the environment's vm.args and .deliver/config.

    + read: reads a file of the checkout
    + environment: to compare with
    """
    yield from _release(read, environment)
    yield from _distillery(read, environment)
    yield from _edeliver(read, environment)


def _release(read: Read, environment: Environment) -> Iterator[Compared]:
    there = read_releases(read)
    if there and environment.release not in there:
        name, line = next(iter(there.items()))
        hint = f'set release_name = "{name}" in group_data/all.py'
        yield Compared("release", ", ".join(there), environment.release, "rel/config.exs", line, hint)


def _distillery(read: Read, environment: Environment) -> Iterator[Compared]:
    node, settings = read_environment(read, environment.environment)
    line = line_of(node) if node else 1

    def setting(name: str) -> Setting:
        return settings.get(name, Setting(None, "rel/config.exs", line))

    expected = f"rel/vm.args.{environment.environment}"
    vm_args = setting("vm_args")
    yield from compare_setting("vm_args", vm_args, expected)
    yield from compare_setting("include_erts", setting("include_erts"), environment.include_erts)
    yield from compare_setting("include_src", setting("include_src"), environment.include_src)
    for _, cookie in read_cookies(read, environment):
        yield Compared("cookie", LITERAL_COOKIE, COOKIE, "rel/config.exs", line_of(cookie))
    file = vm_args.value if isinstance(vm_args.value, str) else expected
    found = read_flags(read(file), file)
    name = found.get("-name") or found.get("-sname") or Setting(None, file, 1)
    if "-sname" in found or name.value != environment.node:
        yield Compared("node name", str(name.value or "not set"), environment.node, name.file, name.line)
    yield from cookie_flag(found)
    if (smp := found.get("-smp")) and smp.value not in ("auto", "enable"):
        yield Compared("-smp", str(smp.value), "auto", smp.file, smp.line)


def _edeliver(read: Read, environment: Environment) -> Iterator[Compared]:
    text = read(".deliver/config")
    variable = DELIVERED.get(environment.environment)
    if text is None or variable is None:
        return
    found = read_assignments(read, ".deliver/config", {})
    yield from compare_setting(variable, found.get(variable, Setting(None, ".deliver/config", 1)), environment.root)
    if "BUILD_AT" not in found:
        yield Compared("BUILD_AT", "not set", build_at(environment), ".deliver/config", 1)
    if not (hook := hook_in(text)):
        yield Compared("hook for the secret file", "not set", f"{HOOK}()", ".deliver/config", 1)
    elif "secret.exs" not in hook[0]:
        line = text[: hook.start()].count("\n") + 1
        yield Compared("hook for the secret file", f"{HOOK}() without a link", "a link", ".deliver/config", line)
