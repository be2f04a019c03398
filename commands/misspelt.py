"""Names what is wrong on make's command line, with the nearest known name. The Makefile calls it before there is a .venv.

Arguments: the level of make; the variables that are wrong, one that is empty with a `=`; the targets that are wrong; all
variables; all targets. On a deeper level another make hands down its own variables, so only one that is nearly
ours is named.
"""

import difflib
import sys

# Letters in common, twice, by the letters of both names.
NEAR, NEARER = 0.5, 0.75


def said(level: str, words: list[str], goals: list[str], known: list[str], targets: list[str]) -> str:
    """One sentence about the first wrong word; empty if none is wrong."""
    for word in words:
        if word.endswith("="):
            return f"{word} is empty: say which, or leave it out. Nothing was done"
        same = word.upper()
        # ENVIRONMENT, VER
        near = [name for name in known if len(name) > 2 and (same.startswith(name) or name.startswith(same))]
        near = near or difflib.get_close_matches(same, known, 1, NEAR if level == "0" else NEARER)
        if near:
            return f"{word} is no variable here: did you mean {near[0]}? Nothing was done"
        if level == "0":
            return f"{word} is no variable here; there are: {' '.join(known)}. Nothing was done"
    for goal in goals:
        if near := difflib.get_close_matches(goal, targets, 1, NEARER):
            return f"{goal} is no target: did you mean {near[0]}? Nothing was done"
        return f"{goal} is no target: an environment is ENV={goal}, and make help lists the targets. Nothing was done"
    return ""


if __name__ == "__main__":
    print(said(sys.argv[1], *(argument.split() for argument in sys.argv[2:6])))
