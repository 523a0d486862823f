"""The run folder and its small files: configuration, metrics, status, and the table of all runs. No torch."""
