"""Experiment trackers: each module holds the builder of one logger, which alone imports the tracker's package."""
