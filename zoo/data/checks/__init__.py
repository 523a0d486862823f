"""Checks of a data set before training: damaged files, duplicates, leaks, odd classes."""
