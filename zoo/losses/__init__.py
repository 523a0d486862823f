"""The built-in losses, entry points of the group ``zoo.losses``; zoo.training.loss describes their contract."""
