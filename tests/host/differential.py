"""`python -m tests.host.differential [COMBINATIONS] [--seed SEED]` compares `@snapshot/` with pyinfra's own SSH connector.

Two machines start from the same disk and get the same changes by hand, group data and secrets. One is planned, applied and
planned again through pyinfra's own connector, the other through `@snapshot/`. Compared are questions and answers, plans,
commands, reports, and the state of both hosts. The next combination goes on from there; some begin with bare machines.
Ctrl-C ends the run after any combination, with the differences so far. Exit code 1: a difference. 130: interrupted.
"""

import argparse
import difflib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bench.same_host import differences as host_differences
from bench.same_host import state
from operations.nginx import LOADED
from tests.host.damages import ALONE, FURTHER, INDEPENDENT
from tests.host.project import CHECKOUT, Project
from tests.host.recording import Call, Recording
from tests.sandbox.image import RELEASES
from tests.sandbox.machine import Machine, boot
from tests.sandbox.vaults import make_vaults

T = TypeVar("T")

# Values that always differ between two machines, or between two moments on one, and their placeholders.
NATURE = [
    # Times of files, as pyinfra's own fact shows them.
    (re.compile(r"\b([amc]time)=\d+"), r"\1=…"),
    # The number of entries of a directory on tmpfs: environments are prepared in parallel, and others may write there.
    (re.compile(r"( mode=d.* size=)\d+"), r"\1…"),
    # Time and process id.
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000"), "…"),
    (re.compile(r"\b\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\] \d+#\d+"), r"… [\1] …"),
    # A role's verifier has a random salt: where it is set, and where it is read.
    (re.compile(r"SCRAM-SHA-256\$\d+:[^']+"), "SCRAM-SHA-256…"),
    (re.compile(r'"(salt|digest)": "[^"]+"'), r'"\1": "…"'),
    # Start of a unit, systemd's reading of it, and times of files. Their consequences are compared as the steps that
    # follow.
    (re.compile(r"^(\w+Timestamp|NeedDaemonReload)=.+"), r"\1=…"),
    (re.compile(r"^\d{10}\.\d{9} \d{10}\.\d{9} "), "… "),
    # systemd keeps these in a set, in any order.
    (re.compile(r"^Wants=.+"), "Wants=…"),
    # Names of temporary files, from mktemp and debconf.
    (re.compile(r"(\.secret\.exs|/postgresql\.config)\.\w{6}\b"), r"\1.…"),
    # The speed of apt, and the order of servers.
    (re.compile(r"^Fetched .* in .*"), "Fetched …"),
    (re.compile(r"^(Get|Hit):\d+"), r"\1:…"),
    # Environments get the next free number, in any order: pyinfra keeps the hosts of a run in a set.
    (re.compile(r"^(billing_\w+|successor):x:\d+:"), r"\1:x:…:"),
    (re.compile(r"^(UTF8\|)\d+(\|billing_\w+\|)\d+\|"), r"\1…\2…|"),
    # A line that is there by chance: an old process of nginx ended at this moment.
    (re.compile(r"^sh: \d+: cannot open /proc/\d+/cmdline: No such (file|process)$"), ""),
    # A line that is there after another environment has reloaded nginx, in parallel.
    (re.compile(rf"^… {re.escape(LOADED)}$"), ""),
]

# Commands that list things of all environments: the lines of each, and the line that counts them. An environment that is
# prepared in parallel may or may not see those of another.
_GROUPS = "cat /etc/group"
_OF_ALL = [
    (re.compile(f"^{_GROUPS}$"), re.compile(r"^billing_(\w+):")),
    (re.compile(r"\bFROM pg_catalog\.pg_database\b"), re.compile(r"^UTF8\|…\|billing_(\w+)\||^\(\d+ rows\)$")),
]

# Steps that one environment does for the whole machine. With environments in parallel it is the first one that comes to
# them, and also a second one that looked before they were done.
_FOR_ALL = re.compile(r"\nsystemctl reload nginx\.service\n|(?<=&& )systemctl daemon-reload$")
_STEPS_FOR_ALL = {"Site", "Unit: systemd reloads"}

# Results of steps, which the report has, too.
_RESULT = re.compile(r"^\s+\[\w+\]\s+(Success|No changes)$")

# Commands whose lines come in any order: for one of the reasons above, or as in systemd's table of units.
ANY_ORDER = re.compile(rf"\bapt-get\b|\bsystemctl show --all\b|^{_GROUPS}$")

# A file with a block of each environment, in any order. It is compared line by line.
_BLOCKS = "/home/billing/.bash_aliases"

# A message shows this many characters of a command or an answer.
_SHOWN = 600


class State(NamedTuple):
    """A difference from what the last apply left.

    + name: of the difference
    + command: makes it; root runs it on the host
    + undo: root runs it afterwards, if a later combination could not start from this state
    + edits: group data by file
    + secrets: of vaults, by environment
    + environment: deployed alone; otherwise chance decides how far the others come before it is refused
    """

    name: str
    command: str = ""
    undo: str = ""
    edits: Mapping[str, Mapping[str, Any]] = {}
    secrets: Mapping[str, Mapping[str, str]] = {}
    environment: str = ""


# These would prevent the same damage later.
_UNDO = {"group removed": "groupdel successor"}

DAMAGES = {
    damage.name: State(damage.name, damage.command, _UNDO.get(damage.name, ""))
    for damage in [*INDEPENDENT, *FURTHER, *ALONE]
}

_SECRET = "a-secret-of-the-differential-test-" * 2

# These can be combined freely.
EDITS = [
    State("memory limit", edits={"stage": {"memory_limit": 640}}),
    State("tasks and files", edits={"prod": {"task_limit": 2048, "file_limit": 131_072}}),
    State("port", edits={"stage": {"port": 4005}}),
    State("domain", edits={"stage": {"domain": "other.billing.example.com"}}),
    State("another domain", edits={"prod": {"additional_domains": ["www.billing.example.com"]}}),
    State("TLS", edits={"stage": {"tls": "self_signed"}}),
    State("no TLS", edits={"prod": {"tls": "none"}}),
    State(
        "basic auth",
        edits={"stage": {"basic_auth_user": "team"}},
        secrets={"stage": {"basic_auth_password": _SECRET[:40]}},
    ),
    State("addresses", edits={"prod": {"allowed_addresses": ["192.0.2.0/24"]}}),
    State("no AppSignal", edits={"all": {"appsignal": False}}),
    State("extensions", edits={"stage": {"database_extensions": ["citext", "pg_trgm"]}}),
    State("no extensions", edits={"prod": {"database_extensions": []}}),
    State("connections", edits={"prod": {"database_connection_limit": 20}}),
    State("aliases", edits={"stage": {"aliases": {"more": "echo 'it''s' \"$HOME\" \\\\ & {unit}"}}}),
    State("no aliases", edits={"stage": {"aliases": {}}}),
    State("request body", edits={"prod": {"request_body_limit": 32}}),
    State("releases", edits={"all": {"keep_releases": 3}}),
    State("Distillery", edits={"stage": {"release_tool": "distillery"}}),
    State("variables of the unit", edits={"prod": {"unit_environment": {"MORE": "a 'b' \"c\" $d %e \\f"}}}),
    State("end of the secret file", edits={"stage": {"secret_file_extra": "config :logger, level: :info"}}),
    State("journal", edits={"all": {"journal_limit": 512}}),
    State("database password", secrets={"stage": {"database_password": _SECRET[:32]}}),
    State("key base", secrets={"prod": {"secret_key_base": _SECRET[:64]}}),
    State("cookie", secrets={"stage": {"cookie": _SECRET[:32].replace("-", "_")}}),
    State("further secret", secrets={"prod": {"api_key": "with 'quotes\" and #{code}"}}),
]

# With one of these a plan is refused, or an apply fails in the middle. Each comes alone.
OBSTACLES = [
    State(
        "certificate that is not there",
        edits={"prod": {"tls": "provided", "tls_certificate": "/etc/ssl/no.pem", "tls_key": "/etc/ssl/no.key"}},
        environment="prod",
    ),
    State("extension that is not there", edits={"stage": {"database_extensions": ["citext", "no_such_thing"]}}),
    State(
        "nginx's configuration broken",
        "echo 'no such thing;' > /etc/nginx/conf.d/broken.conf && echo >> /etc/nginx/sites-available/billing_stage",
        undo="rm /etc/nginx/conf.d/broken.conf",
    ),
    State(
        "directory in place of the secret file",
        "rm -f /var/stage.secret.exs && mkdir /var/stage.secret.exs",
        undo="rmdir /var/stage.secret.exs",
    ),
    State(
        "PostgreSQL refuses",
        "cd /etc/postgresql/*/main && cp -a pg_hba.conf pg_hba.kept && echo 'local all all reject' > pg_hba.conf && "
        "systemctl reload postgresql",
        undo="cd /etc/postgresql/*/main && mv pg_hba.kept pg_hba.conf && systemctl reload postgresql",
    ),
]

# Commands that show the state of a host.
_DATABASE = "database dropped"


@dataclass(frozen=True)
class Combination:
    """A state of two machines, and a deploy of some environments.

    + states: differences, all at once
    + bare: whether it begins with bare machines instead of those of the last combination
    + environment: stage or prod, or both
    """

    states: Sequence[State] = ()
    bare: bool = False
    environment: str = ""

    @property
    def name(self) -> str:
        """The name in messages."""
        whose = self.environment or "both"
        return f"{whose}, {'bare' if self.bare else 'prepared'}: {', '.join(s.name for s in self.states) or 'as it is'}"

    @property
    def limit(self) -> list[str]:
        """Options of pyinfra's command line."""
        return ["--limit", self.environment] if self.environment else []


def combinations(seed: int) -> Iterator[Combination]:
    """An endless row of different combinations, the same for the same seed. The first is only a deploy."""
    drawn: set[str] = set()
    for combination in _drawn(random.Random(seed)):  # noqa: S311
        if combination.name not in drawn:
            drawn.add(combination.name)
            yield combination


def _drawn(draw: random.Random) -> Iterator[Combination]:
    """Draws damages, edits and obstacles; none comes again before all came once."""
    together = _in_turn([DAMAGES[damage.name] for damage in [*FURTHER, *INDEPENDENT]], draw)
    alone = _in_turn([DAMAGES[damage.name] for damage in ALONE], draw)
    edits, obstacles = _in_turn(EDITS, draw), _in_turn(OBSTACLES, draw)
    yield Combination()
    while True:
        kind = draw.choices(["bare", "obstacle", "alone", "together", "edits"], [1, 2, 8, 6, 4])[0]
        states: list[State] = []
        if kind == "obstacle":
            states.append(next(obstacles))
        if kind == "alone":
            states.append(next(alone))
        if kind == "together":
            states += _distinct(islice(together, draw.randint(1, 5)))
        if kind != "obstacle":
            states += _distinct(islice(edits, draw.choice([0, 0, 1, 2, 3]) + (kind == "edits")))
        # The state of a host includes stage's database.
        needs_stage = kind == "bare" or any(state.name == _DATABASE for state in states)
        environment = draw.choice(["", "", "stage", "" if needs_stage else "prod"])
        environment = next((state.environment for state in states if state.environment), environment)
        yield Combination(states, kind == "bare", environment)


def _distinct(states: Iterable[State]) -> list[State]:
    return list({state.name: state for state in states}.values())


def _in_turn(states: Sequence[State], draw: random.Random) -> Iterator[State]:
    while True:
        yield from draw.sample(states, len(states))


@dataclass(frozen=True)
class Outcome:
    """The result of a run of pyinfra.

    + exit_code: of pyinfra
    + report: its JSON, with the plan and after an apply the results; nothing if it ended earlier
    + messages: its other output
    + recording: the calls to the hosts
    """

    exit_code: int
    report: dict[str, Any]
    messages: str
    recording: Recording


@dataclass
class Side:
    """A machine and its connector.

    + name: of the connector
    + project: the repository with this connector in its inventory
    + machine: the current machine
    """

    name: str
    project: Project
    machine: Machine | None = None

    def deploy(self, *arguments: str) -> Outcome:
        """`pyinfra inventory.py deploy.py --json …`, recorded."""
        output = self.project.path / ".recording"
        output.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.host.recording", str(output), "inventory.py", "deploy.py", "--json"]
        run = subprocess.run(
            [*command, *arguments],
            cwd=self.project.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            # The copy has no tests. It has everything else, and the current directory comes first.
            env=self.project.environment | {"PYTHONPATH": str(CHECKOUT)},
        )
        report = dict(json.loads(run.stdout)) if run.stdout.startswith("{") else {}
        messages = run.stderr.replace(str(self.project.path), ".")
        return Outcome(run.returncode, report, messages, Recording.read(output))

    def root(self, command: str) -> tuple[int, str]:
        """Exit code and output of a command that root runs on the machine."""
        assert self.machine
        run = self.machine.run(command, check=False)
        return run.returncode, run.stdout + run.stderr

    def state(self) -> dict[str, str]:
        """The state of the host, as far as it is compared."""
        assert self.machine
        found = {name: _natural_text(text) for name, text in state(self.machine).items()}
        _, lines = self.root(f"cat {_BLOCKS}")
        return {name: text for name, text in found.items() if name != _BLOCKS} | {
            _BLOCKS: "\n".join([self.root(f"stat -c '%U %G %a' {_BLOCKS}")[1], *sorted(lines.splitlines())])
        }


@dataclass
class Tally:
    """Counts of the run.

    + combinations: that were carried out
    + applied: combinations whose apply succeeded and changed something
    + commands: on one of the machines
    + facts: asked through `@snapshot/`
    + answered: facts that needed no command of their own
    + exchanges: commands that really went over its connections
    + differences: that were found
    """

    combinations: int = 0
    applied: int = 0
    commands: int = 0
    facts: int = 0
    answered: int = 0
    exchanges: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, recording: Recording) -> None:
        """Count a run through `@snapshot/`."""
        self.commands += len(recording.commands)
        self.facts += len(recording.facts)
        self.answered += sum(not call.exchanges for call in recording.facts)
        self.exchanges += recording.exchanges

    def __str__(self) -> str:
        return (
            f"{self.combinations} combinations ({self.applied} changed the host, with {self.commands} commands), "
            f"{len(self.differences)} differences; {self.answered} of {self.facts} facts "
            f"({self.answered / max(self.facts, 1):.0%}) answered from a snapshot, {self.exchanges} exchanges in all"
        )


class Pair:
    """Two equal machines, each with its connector. A context manager: at its end they are removed.

    + directory: for the projects
    + vaults: secrets of the prepared machine
    + layer: of a prepared machine, as `Machine.snapshot` returns it
    + release: its Debian
    """

    def __init__(self, directory: Path, vaults: Path, layer: Path, release: str) -> None:
        self.tally = Tally()
        self._layer, self._release = layer, release
        self._machines = ExitStack()
        self._bare: bool | None = None
        self.stock, self.snapshot = self.sides = [
            Side(name, Project.copy(directory / name, vaults)) for name in ("stock", "snapshot")
        ]
        _use_stock_connector(self.stock.project)
        # Each combination begins with this data.
        paths = [*(directory / "stock/group_data").glob("*.py"), *(directory / "stock/.sandbox/vault").glob("*.age")]
        self._data = {path.relative_to(directory / "stock"): path.read_bytes() for path in paths}

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        self._machines.close()

    def carry_out(self, combination: Combination) -> list[str]:
        """Bring both machines into the state, deploy each with its connector, and return all differences."""
        self._boot(combination.bare)
        self._write(combination)
        found = []
        for damage in combination.states:
            found += _unlike("damage", *self._on_both(partial(Side.root, command=damage.command)))
        planned, plan = self._deploy("plan", "--dry", *combination.limit, twice=True)
        applied, apply = self._deploy("apply", "--yes", *combination.limit)
        found += plan + apply
        for damage in combination.states:
            found += _unlike("undo", *self._on_both(partial(Side.root, command=damage.undo)))
        found += [f"host: {line}" for line in host_differences(*self._on_both(Side.state))]
        if not any(outcome.exit_code for outcome in applied):
            again, plan_again = self._deploy("plan again", "--dry", *combination.limit)
            found += plan_again + [line for side, outcome in zip(self.sides, again, strict=True)
                                   for line in _left(side, outcome)]  # fmt: skip
            self.tally.applied += any(_changes(outcome) for outcome in planned)
        self.tally.combinations += 1
        self.tally.differences += [f"{combination.name}: {line}" for line in found]
        return found

    def exact(self) -> list[str]:
        """The differences, letter by letter, when both connectors ask one machine on which nothing changes."""
        self._boot(bare=False)
        self._write(Combination())
        # The snapshot then knows every question, and no file is read for the first time, which would change its atime.
        kinds = [("plan", "--dry"), ("apply", "--yes")]
        for _, argument in kinds:
            self.snapshot.deploy(argument)
        found = []
        for what, argument in kinds:
            with _stock_connector(self.snapshot.project):
                stock = self.snapshot.deploy(argument)
            snapshot = self.snapshot.deploy(argument)
            self.tally.add(snapshot.recording)
            found += _compared(f"exact {what}", stock, snapshot)
            # Otherwise nothing would have been compared, so nothing would differ.
            asked, answered = (
                len(snapshot.recording.facts),
                sum(not call.exchanges for call in snapshot.recording.facts),
            )
            if snapshot.exit_code or not asked or answered < asked:
                found.append(f"exact {what}: {answered} of {asked} facts answered from a snapshot: {snapshot.messages}")
        self.tally.differences += found
        return found

    def _deploy(self, what: str, *arguments: str, twice: bool = False) -> tuple[list[Outcome], list[str]]:
        """Run pyinfra on both sides; returns the results and the differences.

        + twice: whether `@snapshot/` runs once more, when nothing changes and it knows every question
        """
        times = {self.snapshot.name: 2 if twice else 1}
        [stock], snapshots = self._on_both(
            lambda side: [side.deploy(*arguments) for _ in range(times.get(side.name, 1))]
        )
        found = []
        for number, snapshot in enumerate(snapshots):
            self.tally.add(snapshot.recording)
            found += _compared(f"{what}, repeated" if number else what, _natural(stock), _natural(snapshot))
        return [stock, snapshots[-1]], found

    def _on_both(self, do: Callable[[Side], T]) -> list[T]:
        with ThreadPoolExecutor(len(self.sides)) as pool:
            return list(pool.map(do, self.sides))

    def _boot(self, bare: bool) -> None:
        """Boot machines if the last ones cannot be used, because these or the next ones are bare."""
        if self._bare is not None and not self._bare and not bare:
            return
        self._machines.close()
        for side in self.sides:
            layers = [] if bare else [self._layer]
            side.machine = self._machines.enter_context(
                boot(release=self._release, directory=side.project.sandbox, layers=layers)
            )
        self._bare = bare

    def _write(self, combination: Combination) -> None:
        for side in self.sides:
            for path, content in self._data.items():
                (side.project.path / path).write_bytes(content)
            for item in combination.states:
                for file, settings in item.edits.items():
                    side.project.edit(file, **settings)
                for environment, values in item.secrets.items():
                    side.project.set_secrets(environment, **values)


def _use_stock_connector(project: Project) -> None:
    inventory = project.path / "inventory.py"
    text = inventory.read_text()
    assert "@snapshot/" in text
    inventory.write_text(text.replace("@snapshot/", ""))


@contextmanager
def _stock_connector(project: Project) -> Iterator[None]:
    inventory = project.path / "inventory.py"
    text = inventory.read_text()
    _use_stock_connector(project)
    try:
        yield
    finally:
        inventory.write_text(text)


# --- Comparing -------------------------------------------------------------------------------------------------------


def _natural(outcome: Outcome) -> Outcome:
    """The result of a run, with placeholders for values that always differ."""
    if len({call.host for call in outcome.recording.calls}) > 1:
        outcome = _by_whomever(outcome)
    recording = Recording([_natural_call(call) for call in outcome.recording.calls], outcome.recording.exchanges)
    return replace(outcome, messages=_natural_text(outcome.messages), recording=recording)


def _by_whomever(outcome: Outcome) -> Outcome:
    """The result of a run of several environments, independent of which one did the steps of the machine."""
    calls = [call for call in outcome.recording.calls if not _FOR_ALL.search(call.text)]
    for_all = {
        (call.stage, found[0].strip(), call.success)
        for call in outcome.recording.calls
        if (found := _FOR_ALL.search(call.text))
    }
    calls += [Call("command", "any", stage, text, {}, success=success) for stage, text, success in sorted(for_all)]
    report = deepcopy(outcome.report)
    results = report.get("results") or {}
    for step in results.get("operations", []):
        if step["name"] in _STEPS_FOR_ALL:
            step["success"], step["no_change"] = sorted(step["success"] + step["no_change"]), []
    for total in ("success", "no_change"):
        results.get("totals", {}).pop(total, None)
    messages = "\n".join(line for line in outcome.messages.split("\n") if not _RESULT.match(line))
    recording = replace(outcome.recording, calls=calls)
    return replace(outcome, report=report, messages=messages, recording=recording)


def _natural_call(call: Call) -> Call:
    stdout, stderr = _natural_lines(call.stdout), _natural_lines(call.stderr)
    for command, of_one in _OF_ALL:
        if command.search(call.text):
            stdout = [line for line in stdout if not (found := of_one.match(line)) or found[1] == call.host]
    if ANY_ORDER.search(call.text):
        stdout.sort()
    text, content = _natural_text(call.text), _natural_text(call.content)
    return replace(call, text=text, content=content, stdout=stdout, stderr=stderr)


def _natural_text(text: str) -> str:
    return "\n".join(_natural_lines(text.split("\n")))


def _natural_lines(lines: Sequence[str]) -> list[str]:
    """The lines that are left after the placeholders are set."""
    return [natural for line in lines if (natural := _natural_line(line)) or not line]


def _natural_line(line: str) -> str:
    for pattern, instead in NATURE:
        line = pattern.sub(instead, line)
    return line


def _compared(what: str, stock: Outcome, snapshot: Outcome) -> list[str]:
    """All differences between two runs.

    + what: name of the run
    """
    found = _unlike("exit code", stock.exit_code, snapshot.exit_code)
    found += _unlike_lines("report", *(_report(run) for run in (stock, snapshot)))
    found += _unlike_lines("messages", *(sorted(run.messages.splitlines()) for run in (stock, snapshot)))
    one, other = stock.recording, snapshot.recording
    for host in sorted({call.host for call in [*one.calls, *other.calls]}):
        done, done_too = ([call for call in run.commands if call.host == host] for run in (one, other))
        found += _unlike_commands(done, done_too)
    found += _unlike_facts(one.facts, other.facts)
    return [f"{what}: {line}" for line in found]


def _report(outcome: Outcome) -> list[str]:
    results = outcome.report.get("results") or {}
    items = [*outcome.report.get("plan", []), *results.pop("operations", []), results]
    return [json.dumps(item, sort_keys=True) for item in items]


def _unlike_commands(one: Sequence[Call], other: Sequence[Call]) -> list[str]:
    """Compares commands in their order, and then the output of each."""
    questions = [[_question(call) for call in calls] for calls in (one, other)]
    if found := _unlike_lines("carried out", *questions):
        return found
    return [
        line
        for question, *calls in zip(questions[0], one, other, strict=True)
        for line in _unlike_lines(_cut(question), *(_answer(call) for call in calls))
    ]


def _unlike_facts(one: Sequence[Call], other: Sequence[Call]) -> list[str]:
    """Compares facts in any order, because hosts are asked in parallel."""
    answers: list[dict[str, Counter[tuple[str, ...]]]] = [{}, {}]
    for calls, by_question in zip((one, other), answers, strict=True):
        for call in calls:
            by_question.setdefault(_question(call), Counter())[tuple(_answer(call))] += 1
    found = []
    for question in sorted(answers[0].keys() | answers[1].keys()):
        stock, snapshot = (by_question.get(question, Counter()) for by_question in answers)
        lines = [[line for answer in sorted(some.elements()) for line in answer]
                 for some in (stock - snapshot, snapshot - stock)]  # fmt: skip
        found += _unlike_lines(_cut(question), *lines)
    return found


def _question(call: Call) -> str:
    given = json.dumps(call.arguments, sort_keys=True)
    content = f" < {call.content}" if call.content else ""
    return f"[{call.host}] {call.stage}, {call.kind} {given}: {call.text}{content}".replace("\n", "\\n")


def _answer(call: Call) -> list[str]:
    stdout, stderr = ([f"{name}: {line}" for line in lines]
                      for name, lines in (("stdout", call.stdout), ("stderr", call.stderr)))  # fmt: skip
    return [f"success: {call.success}", *stdout, *stderr]


def _unlike(what: str, stock: object, snapshot: object) -> list[str]:
    return [] if stock == snapshot else [f"{what}: stock {stock!r}, snapshot {snapshot!r}"]


def _unlike_lines(what: str, stock: Sequence[str], snapshot: Sequence[str]) -> list[str]:
    """At most one difference: the lines that only one of the two has."""
    if list(stock) == list(snapshot):
        return []
    changes = [line for line in difflib.ndiff(stock, snapshot) if line[0] in "+-"]
    names = {"-": "stock alone", "+": "snapshot alone"}
    return ["\n    ".join([what, *(f"{names[line[0]]}: {_cut(line[2:])}" for line in changes[:12])])]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} […] {text[-_SHOWN // 2 :]}"


def _changes(outcome: Outcome) -> list[str]:
    return [item["name"] for item in outcome.report.get("plan", []) if item["hosts_with_change"]]


def _left(side: Side, outcome: Outcome) -> list[str]:
    left = _changes(outcome)
    return [f"plan again: {side.name} would still do {', '.join(left)}"] if left else []


# --- The long run ----------------------------------------------------------------------------------------------------


@contextmanager
def pair_of_machines(release: str) -> Iterator[Pair]:
    """Two machines with the example applied."""
    with tempfile.TemporaryDirectory(prefix="differential.") as name:
        directory = Path(name)
        make_vaults(directory / "vault", ["stage", "prod"])
        project = Project.copy(directory / "project", directory / "vault")
        with boot(release=release, directory=project.sandbox) as machine:
            project.apply().require_success()
            with Pair(directory, directory / "vault", machine.snapshot(), release) as pair:
                yield pair


def main() -> int:
    """Run the given number of combinations."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.host.differential", description="Compare @snapshot/ with pyinfra's own SSH connector."
    )
    parser.add_argument("combinations", type=int, nargs="?", default=200, help="how many; 200 if not given")
    parser.add_argument("--seed", type=int, help="of what is drawn; chosen at random if not given")
    parser.add_argument("--release", choices=RELEASES, default="trixie", help="Debian release of the machines")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"Repeat this with --seed {seed}.", file=sys.stderr, flush=True)
    tally = Tally()
    try:
        with pair_of_machines(options.release) as pair:
            tally = pair.tally
            _tell("exact", pair.exact)
            for number, combination in enumerate(combinations(seed), 1):
                if number > options.combinations:
                    break
                _tell(f"{number} of {options.combinations}, {combination.name}", partial(pair.carry_out, combination))
    except KeyboardInterrupt:
        print(f"Interrupted: {tally}.")
        return 130
    print(f"{tally}.")
    return 1 if tally.differences else 0


def _tell(what: str, do: Callable[[], list[str]]) -> None:
    start = time.monotonic()
    found = do()
    for line in found:
        print(f"DIFFERENT, {what}: {line}", flush=True)
    print(f"{what}: {len(found)} differences, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
