"""A faster SSH connector for pyinfra, found through the entry point in pyproject.toml."""
