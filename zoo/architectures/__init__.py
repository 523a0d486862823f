"""The built-in networks, one family a file; pyproject.toml registers each as an entry point."""
