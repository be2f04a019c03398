"""Caches pyinfra results that never change within a run, and keeps Python from work whose result nobody needs.

Importing this module does it, before inventory.py imports anything else of this repository. Only pyinfra's own process
is changed. A profile of an apply without a change (pyinfra 3.10) spent a fifth of its time in
these functions, and a tenth on connectors and the end of the process.
"""

import atexit
import gc
import sys
from functools import cache
from traceback import FrameSummary, walk_stack
from types import FrameType

import click
from pyinfra.api import arguments, connectors, util


def speed_up_pyinfra() -> None:
    """Patch pyinfra and tune Python, only in the process of pyinfra's command line."""
    context = click.get_current_context(silent=True)
    if context and context.params.get("operations"):
        _tune_python()
        _patch_pyinfra()


def _tune_python() -> None:
    # pyinfra turns this on to leave no deploy.pyc beside deploy.py, which it runs itself. Our modules would be compiled
    # again in every run.
    sys.dont_write_bytecode = False
    # The garbage collector does not look at pyinfra's own objects, which all stay until the end (20 ms of an apply without
    # a change), and not at anything once the process ends.
    gc.freeze()
    atexit.register(gc.freeze)


def _patch_pyinfra() -> None:
    connectors.entry_points = cache(connectors.entry_points)
    arguments.all_global_arguments = cache(arguments.all_global_arguments)
    # `inspect` reads the source files for these, too: 0.3 ms for each step.
    util.stack = lambda: list(walk_stack(sys._getframe(1)))  # type: ignore[assignment, misc]
    util.getframeinfo = _place  # type: ignore[assignment]


def _place(frame: FrameType) -> FrameSummary:
    return FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, lookup_line=False)


speed_up_pyinfra()
