"""What every layer stands on: errors, the input specification, the registry of names, downloads. No torch."""
