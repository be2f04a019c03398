"""The command line: one click command a file, with its exit codes in its docstring, which is its --help too."""
