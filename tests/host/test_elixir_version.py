"""Elixir's own Version.match?/2 on both Debians says of each requirement what checkout/elixir_version.py says."""

import random
from pathlib import Path

from checkout.elixir_version import matches
from tests.sandbox.image import image, run_in

VERSIONS = (
    "1.14.0 1.14.5 1.15.0 1.15.0-dev 1.15.0-0 1.15.0-rc.1 1.15.0-rc.10 1.15.1-dev 1.18.4+abc 2.0.0-0 2.0.0-dev 2.0.0 1.15"
    " 01.2.3 1.15.0-01 1.15.0- x"
).split()
OPERATORS = ["", "==", "!=", "!", ">", ">=", "<", "<=", "~>"]
OPERANDS = "1.14.0 1.15 1.15.0 1.15.0-rc.1 1.15-dev 2.0.0 1.18.3+b 1 1.15.0.1 a 1.15.00".split()
ODD = ["", " ", ">=", "and", ">= 1.14.0 and", "or ~> 1.15", ">= 1.14.0, < 2.0.0", " ~>1.15 ", "~ 1.15", "1.15.0 1.14.0"]

ASK = """\
said = for line <- File.stream!("/place/pairs") do
  [version, requirement] = line |> String.trim_trailing("\\n") |> String.split("\\t")
  try do
    to_string(Version.match?(version, requirement))
  rescue
    _ -> "none"
  end
end
File.write!("/place/said", Enum.join(said, "\\n"))
"""


def ours(version: str, requirement: str) -> str:
    try:
        return str(matches(version, requirement)).lower()
    except ValueError:
        return "none"


def test_requirements_mean_what_elixir_says(release: str, tmp_path: Path) -> None:
    drawn = random.Random(release)  # noqa: S311
    conditions = [f"{operator}{space}{text}" for operator in OPERATORS for text in OPERANDS for space in ("", " ")]
    ordinary = [f"{operator} {text}" for operator in OPERATORS for text in ("1.14.0", "1.15.0", "1.15.0-rc.1", "2.0.0")]
    several = [
        drawn.choice([" and ", " or ", "  or  ", " and"]).join(drawn.choices(chosen, k=number))
        for chosen in (conditions, ordinary, ordinary)
        for number in (2, 3, 4)
        for _ in range(40)
    ]
    pairs = [(version, requirement) for version in VERSIONS for requirement in [*conditions, *several, *ODD]]
    (tmp_path / "pairs").write_text("".join(f"{version}\t{requirement}\n" for version, requirement in pairs))
    (tmp_path / "ask.exs").write_text(ASK)
    run = run_in(image(release, "elixir"), "elixir /place/ask.exs", binds={tmp_path: ("/place", False)})
    assert run.returncode == 0, run.stderr[-2000:]
    said = (tmp_path / "said").read_text().split("\n")
    assert set(said) == {"true", "false", "none"}
    wrong = [(*pair, one) for pair, one in zip(pairs, said, strict=True) if ours(*pair) != one]
    assert wrong == []
