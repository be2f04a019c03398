"""The command line: one click command a file. A file's docstring is the text of --help and tells the exit codes."""

import os
import signal
import sys
from pathlib import Path


def _interrupted(*_: object) -> None:
    # Not by an exception: this may be in the middle of an import.
    os.write(sys.stderr.fileno(), b"\nInterrupted: nothing was changed.\n")
    os._exit(130)


# Imports take some time, and Ctrl-C would show a traceback. The command itself takes over as soon as it runs
# (commands/options.py). While Python looks for the module after -m, that is the name of the program.
if sys.argv[0] == "-m" or Path(sys.argv[0]).name == "deploy":
    signal.signal(signal.SIGINT, _interrupted)
