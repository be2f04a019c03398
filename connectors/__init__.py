"""The connector `@snapshot/`, and everything else that is here for speed alone. pyproject.toml names its entry point."""
