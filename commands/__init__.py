"""The command line: one click command a file. A file's docstring is the text of --help and tells the exit codes."""
