"""Commands that Makefile targets run and that are no deploys, each with its exit-code contract in its docstring.

inventory.py imports from here before anything else of ours, so what must come first in pyinfra's process is done here.
"""

import gc
import sys

# pyinfra turns this on to leave no deploy.pyc beside deploy.py. It runs that file itself; modules would be compiled anew in
# every run.
sys.dont_write_bytecode = False

# All that pyinfra itself consists of stays until the end. Python would look through it for garbage, again and again, while
# the models and the deploy are made (20 ms of an apply without a change). Elsewhere gevent may still have to find what it
# patches, which it does not among what is frozen.
if "pyinfra_cli" in sys.modules:
    gc.freeze()
