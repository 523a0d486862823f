"""Command lines and YAML files become a checked configuration, and the objects it describes."""
