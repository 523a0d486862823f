"""The networks that come with zoo, one family a file; each is registered as an entry point in pyproject.toml."""
