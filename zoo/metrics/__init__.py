"""The built-in metrics, entry points of the group ``zoo.metrics``; zoo.training.metrics describes their contract."""
