"""What ``zoo fit --help`` begins with, and the order in which it shows every option."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from zoo.config.parser_internals import hide, order_help
from zoo.core.kinds import KINDS
from zoo.runs.config_file import NAMED_OPTIONS

FIT = """Train a new run, or resume RUN where it stopped.

most used:
  --model NAME             the architecture: 'zoo list architectures'
  --data NAME              the data set: 'zoo list datasets'
  --data.root FOLDER       where the data lives
  --data.batch_size N      images in a step
  --trainer.max_epochs N   passes over the training images
  --optimizer SGD --optimizer.lr 0.1
  --model.weights DEFAULT  start from pretrained weights ...
  --model.freeze N         ... whose first N layers stay as they are
  --config FILE            a YAML file with any of the options below
  --print_config           show what would run; --print_schema the JSON schema
  --run NAME               the run's folder, runs/NAME; a run that is
                           there is resumed
  --time 10m               train as many epochs as end by then, the
                           report included
  --folds N                train N runs, each tested on another N-th of
                           the images, and print mean and deviation
  --seeds N                likewise N runs that differ in their seed
  --quiet                  print the run folder alone, and errors

examples:
  zoo fit --model lenet5 --data digits
  zoo fit --model vgg16 --model.weights DEFAULT --data folder --data.root photos
  zoo fit --config configs/cifar10/lenet5.yaml --trainer.max_epochs 3
  zoo fit runs/digits-lenet5/version_0 --trainer.max_epochs 60

All options follow, the architecture's and the data set's own first.
--model NAME is short for --model.architecture NAME, --data NAME
for --data.dataset NAME."""


#: Options that take a name: zoo reads them itself, and the parser's own would take a file.
NAMED = ("--model", "--data", *(f"--{named.key}" for named in NAMED_OPTIONS))


class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """The formatter of jsonargparse, which keeps the lines of the description."""


def own_options_first(parser: ArgumentParser, names: Mapping[str, str]) -> None:
    """Show the options of the chosen names first and the trainer's last, each group under a title.

    Args:
        parser: of training; nothing but the look of its help changes.
        names: by kind, as ``ConfigSources`` has them.
    """
    titles = {
        **{named.key: f"{KINDS[named.kind].title} {names[named.kind]}" for named in NAMED_OPTIONS},
        "model": "model: loss, freezing",
        "data": "data: batches, augmentation, where it lives",
        "optimizer": "optimizer",
        "lr_scheduler": "learning rate scheduler",
        "trainer": "trainer: devices, precision, limits",
    }
    order_help(parser, titles)
    hide(parser, NAMED)
