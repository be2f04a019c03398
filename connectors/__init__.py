"""How pyinfra reaches hosts: a connector of its own, found through the entry point in pyproject.toml."""
