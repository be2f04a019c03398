"""What pyinfra and Python work out again and again, and never comes out otherwise, worked out once or not at all.

A fifth of what a profile of an apply without a change showed (pyinfra 3.10), in functions that nothing here calls itself,
and a tenth of its time for the connectors and the end of the process.
"""

import atexit
import gc
import sys
from functools import cache
from traceback import FrameSummary, walk_stack
from types import FrameType

from pyinfra.api import arguments, connectors, util


def repeats_nothing() -> None:
    """pyinfra knows its connectors and the arguments every step takes, and in which line of which file each step stands.

    When all is done, Python does not look for garbage in what the end of the process gives back anyway.
    """
    connectors.entry_points = cache(connectors.entry_points)
    arguments.all_global_arguments = cache(arguments.all_global_arguments)
    # In place of those of `inspect`, which look at the files, too: 0.3 ms for each step.
    util.stack = lambda: list(walk_stack(sys._getframe(1)))  # type: ignore[assignment, misc]
    util.getframeinfo = _place  # type: ignore[assignment]
    atexit.register(gc.freeze)


def _place(frame: FrameType) -> FrameSummary:
    return FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, lookup_line=False)
