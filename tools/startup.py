"""What pyinfra works out anew for every step and every fact, and never comes out otherwise, worked out once.

A fifth of what a profile of an apply without a change shows (pyinfra 3.10), in functions that nothing here calls itself.
"""

from functools import cache, partial
from inspect import getframeinfo, stack

from pyinfra.api import arguments, util


def repeats_nothing() -> None:
    """pyinfra knows the arguments that every step takes, and looks up the line each step stands on, not the text of it."""
    arguments.all_global_arguments = cache(arguments.all_global_arguments)
    util.stack = partial(stack, context=0)
    util.getframeinfo = partial(getframeinfo, context=0)
