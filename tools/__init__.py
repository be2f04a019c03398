"""Commands that Makefile targets run and that are no deploys, each with its exit-code contract in its docstring."""

import sys

# pyinfra turns this on to leave no deploy.pyc beside deploy.py. It runs that file itself; modules would be compiled anew in
# every run. Here, because inventory.py imports from here before anything else of ours.
sys.dont_write_bytecode = False
