"""Commands that Makefile targets run and that are no deploys, each with its exit-code contract in its docstring."""
