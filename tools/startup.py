"""What pyinfra and Python work out again and again, and never comes out otherwise, worked out once.

A fifth of what a profile of an apply without a change showed (pyinfra 3.10), in functions that nothing here calls itself,
and a tenth of its time for the connectors and the end of the process.
"""

import atexit
import gc
from functools import cache, partial
from inspect import getframeinfo, stack

from pyinfra.api import arguments, connectors, util


def repeats_nothing() -> None:
    """pyinfra knows its connectors and the arguments every step takes, and where each step stands, not the text of it.

    When all is done, Python does not look for garbage in what the end of the process gives back anyway.
    """
    connectors.entry_points = cache(connectors.entry_points)
    arguments.all_global_arguments = cache(arguments.all_global_arguments)
    util.stack = partial(stack, context=0)
    util.getframeinfo = partial(getframeinfo, context=0)
    atexit.register(gc.freeze)
