"""What zoo fit decides where it starts from pretrained weights; docs/guides/fine-tuning.md has the measurements.

Optimizer and schedule are defaults of the parser, so that a single option of theirs can be changed. They belong
together: where the user names one of them, neither is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonargparse import Namespace

from zoo.config.resolve import ConfigSources
from zoo.training.optim import DEFAULT_OPTIMIZER

#: Epochs in place of those of a training from scratch: the network starts near its end.
FINE_TUNING_EPOCHS = 3

#: Learning rate at a batch of BATCH_SIZE images; it grows with the square root of the batch, as suits Adam (S. Malladi
#: et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022, https://arxiv.org/abs/2205.10287).
LEARNING_RATE, BATCH_SIZE = 5e-5, 32

#: Up to so many training images BatchNorm keeps the statistics of the pretrained weights.
FEW_IMAGES = 5_000


def is_fine_tuning(sources: ConfigSources) -> bool:
    """Tell whether a configuration starts from pretrained weights."""
    return sources.value("model", "weights") not in (None, "null")


def parser_defaults(sources: ConfigSources) -> dict[str, Any]:
    """Return the parser's defaults for optimizer and schedule."""
    if not is_fine_tuning(sources) or sources.names_class("optimizer") or sources.names_class("lr_scheduler"):
        return {"optimizer": DEFAULT_OPTIMIZER}
    try:
        batch_size = int(sources.value("data", "batch_size") or BATCH_SIZE)
    except ValueError:  # the parser refuses it in a moment
        batch_size = BATCH_SIZE
    rate = float(f"{LEARNING_RATE * (max(1, batch_size) / BATCH_SIZE) ** 0.5:.2g}")
    return {
        "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": rate, "fused": True}},
        "lr_scheduler": {
            "class_path": "torch.optim.lr_scheduler.CosineAnnealingLR",
            "init_args": {"T_max": 0},  # ends with the training
        },
    }


def batch_norm_mode(fine_tuning: bool, count_images: Callable[[], int]) -> str:
    """Return the mode in which BatchNorm trains.

    Args:
        fine_tuning: whether training starts from pretrained weights.
        count_images: returns how many images train.
    """
    return "eval" if fine_tuning and count_images() <= FEW_IMAGES else "train"


def summary_row(config: Namespace, *, timed: bool) -> dict[str, str]:
    """Return the row of the training's summary that says how pretrained weights are trained on; empty without them.

    Args:
        config: of the training.
        timed: whether the time decides on the epochs, later.
    """
    epochs, scheduler = config.trainer.max_epochs, config.lr_scheduler
    if config.model.weights is None or epochs == 0:
        return {}
    facts = [_class_name(config.optimizer), f"rate {config.optimizer.init_args.get('lr')}"]
    facts += [] if scheduler is None else [_class_name(scheduler)]
    facts += [f"{epochs} epochs"] if epochs is not None and epochs > 0 and not timed else []
    return {"fine-tuning": ", ".join([*facts, f"BatchNorm {config.model.batch_norm or 'train'}"])}


def _class_name(config: Namespace) -> str:
    return str(config.class_path).rpartition(".")[2]
