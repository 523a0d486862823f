"""Errors, the input specification, the registry of names, downloads: what every package uses. No torch."""
