"""What a Makefile target runs and is no deploy: one small command a file, each with its exit codes in its docstring."""
