"""Options of zoo fit that are no parameter of a class."""

from __future__ import annotations

from typing import Any, Literal

from zoo.runs.metrics import Monitor

#: Modes of torch.compile; true and false are allowed as well.
CompileMode = Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]

#: Names of parts with their options, or a list of them.
PARTS = list[str | dict[str, Any]] | dict[str, Any] | str | None

#: Name, type, help, and what else the parser takes of an option; the default is None.
TRAINING_OPTIONS: tuple[tuple[str, Any, str, dict[str, Any]], ...] = (
    (
        "--model.weights",
        str | None,
        "Start from pretrained weights: a published name such as DEFAULT, a .pth, .safetensors or .ckpt file, a run "
        "(its classes keep their rows of the last layer), or an address that ends in #sha256=...",
        {},
    ),
    (
        "--model.head_start",
        Literal["solve", "zero", "fresh"] | None,
        "How the last layer starts: solve computes the best weights for the features of the other layers, "
        "of at most 5,000 training images; zero; or fresh, the network's own random weights. By default solve where "
        "--model.weights leaves a fresh last layer. Where nothing else trains, solving on all training images is the "
        "whole training, unless --trainer.max_epochs asks for epochs.",
        {},
    ),
    (
        "--model.compile",
        bool | CompileMode,
        "Compile the network by torch.compile, which takes half a minute and a C++ compiler before the first step: for "
        "long trainings. true is its default mode; reduce-overhead replays CUDA graphs, for small networks on a GPU; "
        "max-autotune tries more kernels. It does nothing where frozen layers run once.",
        {"default": False},
    ),
    (
        "--tf32",
        bool | None,
        "On an NVIDIA GPU, train with TF32, products of float32 numbers with 10 bits of their fraction: faster, less "
        "exact; false keeps all 23. By default torch's own choice: in convolutions alone.",
        {},
    ),
    (
        "--model.ema",
        float | None,
        "Validate, keep, test and export a moving average of the weights, which keeps this share of itself in each "
        "step, such as 0.999; training goes on from the weights themselves.",
        {},
    ),
    (
        "--monitor",
        str,
        "The validation figure that chooses best.ckpt and that early stopping watches: val/accuracy, val/f1, val/loss, "
        "or val/top5_accuracy where there are more than 5 classes.",
        {"default": Monitor().name},
    ),
    (
        "--early_stopping",
        int | None,
        "End training after this number of epochs without a better value of the monitored figure.",
        {"metavar": "PATIENCE"},
    ),
    (
        "--logger",
        PARTS,
        "Also write to tensorboard, wandb, mlflow, comet or another logger that 'zoo list loggers' shows, or to "
        "several: [tensorboard,mlflow]; {name: mlflow, experiment: bees} gives one its options.",
        {},
    ),
    (
        "--callbacks",
        PARTS,
        "Callbacks that run beside zoo's own while it trains: a name that 'zoo list callbacks' shows, or several, with "
        "their options: [learning_rate,{name: swa, swa_lrs: 0.001}].",
        {},
    ),
    (
        "--code",
        str | list[str] | None,
        "A Python file whose builders, marked by @zoo.register, can be named like registered ones; the run keeps a "
        "copy. Give the option once for each file.",
        {"metavar": "FILE"},
    ),
    ("--ckpt_path", str | None, "Start from this checkpoint, not the run's own.", {}),
)
