"""The data sets that come with zoo, one format a file; each is registered as an entry point in pyproject.toml."""
