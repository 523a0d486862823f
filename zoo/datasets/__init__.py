"""The built-in data sets, one format a file; pyproject.toml registers each as an entry point."""
