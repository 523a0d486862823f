"""Command lines and YAML files become a checked configuration, and the objects it describes."""

from zoo.config.torchmetrics_internals import import_quickly

import_quickly()  # before anything in this package imports Lightning, which imports torchmetrics
