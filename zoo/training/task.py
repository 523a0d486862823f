"""ImageClassifier: a classifier with loss, metrics, optimizer and schedule; one step trains, validates and tests.

    uint8 images ──► Classifier ──► logits ──► cross-entropy, accuracy, top-5 accuracy, macro F1

Training and evaluation show the same loss: with label smoothing and class weights, without the L1 penalty and without
the loss to a teacher. For mixed images, training shows the loss to their mixed targets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import LBFGS

from zoo.core.errors import UserError
from zoo.core.foreign import errors_of
from zoo.core.part_setting import PartSetting
from zoo.core.spec import InputSpec
from zoo.core.trust import restricted
from zoo.models.classifier import Classifier
from zoo.models.head_prefix import Prefix
from zoo.training import optim
from zoo.training.compiled_network import CompiledNetwork
from zoo.training.distillation import TEMPERATURE, WEIGHT, Distillation
from zoo.training.epoch_metrics import EpochMetrics
from zoo.training.loss import Loss
from zoo.training.metrics import SplitMetrics
from zoo.training.mixup import BatchMixer
from zoo.training.optim import DEFAULT_OPTIMIZER, ClassConfig
from zoo.training.optimized_module import OptimizedModule

Step = Callable[..., Any]


def checked_step(step: Step) -> Step:
    """Return a ``training_step`` that says what is wrong with it, where its class was built by name."""

    @functools.wraps(step)
    def checked(self: ImageClassifier, *args: Any, **kwargs: Any) -> Any:
        if not self.title:
            return step(self, *args, **kwargs)
        with errors_of(self.title):
            output = step(self, *args, **kwargs)
        loss = output.get("loss") if isinstance(output, Mapping) else output
        if output is None or (isinstance(loss, Tensor) and loss.numel() == 1 and loss.is_floating_point()):
            return output
        received = f"{loss.dtype} {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise UserError(
            f"{self.title} breaks the contract: training_step must return the loss, a floating tensor of one number, "
            f"or a dict with the key loss; received {received}"
        )

    return checked


def loss_of(output: Any) -> Tensor:
    """Return the loss of what a ``training_step`` returned."""
    loss: Tensor = output["loss"] if isinstance(output, Mapping) else output
    return loss


class ImageClassifier(Classifier, OptimizedModule):
    """Any registered architecture, trained to classify images, under any Trainer.

    A subclass may have a ``training_step`` of its own; it returns a loss, or a dict with the key ``loss``.

    Args:
        spec: what the network must know of its data (or its JSON form).
        architecture: a registered name, or ``{"name": ..., hyperparameter: value, ...}``; a checkpoint adds ``from``,
            the distribution that registers the name.
        loss: a registered loss, as ``zoo list losses`` shows it, or ``{"name": ..., option: value, ...}``; or the
            import path of a builder.
        label_smoothing: share, in [0, 1), of each target that is spread evenly over all classes.
        l1: weight, 0 or more, of the sum of absolute weights (without biases and normalisation), which training adds to
            the loss; for L2 use the optimizer's weight_decay.
        class_weights: balanced multiplies the loss of an image by images / (classes * images of its class), counted in
            the training split: a rare class counts as much as a frequent one; or a number for each class, in order.
        mixup: alpha of the Beta distribution by which pairs of training images are blended; 0.2 is usual. The training
            accuracy then counts the class of the larger share.
        cutmix: alpha of the Beta distribution for the share of a rectangle pasted from another image; 1 is usual. With
            mixup and cutmix, each batch gets one of them at random.
        teacher: a trained network whose answers are learnt beside the labels: a run, a checkpoint or an exported .onnx
            file of the same classes. Where it is larger, the network that it teaches is often better than without.
        teacher_temperature: divides the logits of both before they are compared; the higher, the more the unlikely
            classes count.
        teacher_weight: share of the loss to the teacher in the loss that training minimises, above 0 and up to 1; the
            rest is the loss to the labels, which alone is shown.
        metrics: measured on validation and test images beside loss, accuracy, macro F1 and top-5 accuracy: registered
            names, as ``zoo list metrics`` shows them, ``{"name": ..., option: value, ...}``, or a list of these.
        layer_decay: learning-rate multiplier for each layer: layer_decay ** distance from the last layer, above 0 and
            up to 1; ``zoo info NAME`` numbers the layers.
        freeze: how many of the network's first layers do not train, as ``zoo info NAME --freeze N`` numbers them; the
            path of a module such as ``features`` or a range such as ``blocks.0-3``; ``backbone``, all but the last
            layer; or ``stem``, the layers before the first block. Their weights and buffers keep every bit.
        batch_norm: whether BatchNorm trains with the statistics of each batch, ``train``, or keeps those of the weights
            that training starts from, ``eval``. By default ``train``; in ``zoo fit`` ``eval`` where it starts from
            pretrained weights and has at most 5,000 training images.
        optimizer: class and arguments, without the parameters.
        warmup_steps: optimizer steps in which the learning rate rises to that of the schedule, in step n of N to n / N
            of it; 0 leaves it out. A schedule goes on meanwhile.
        lr_scheduler: class and arguments; None keeps the learning rate. OneCycleLR and CyclicLR change it after each
            optimizer step, others after each epoch. A OneCycleLR without a length and a CosineAnnealingLR with T_max 0,
            which is its default here, end with the training; both then change the rate after each step.
        channels_last: whether images and features are in channels-last memory format, which is faster; by default if
            network and optimizer support it.

    Raises:
        UserError: the name is unknown, or a value is not allowed.
    """

    batch_norm = "train"
    _compiled: CompiledNetwork | None = None
    #: Kind, name and distribution, where it was built by name: errors of its own step name them.
    title = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check what the ``training_step`` of a subclass returns."""
        super().__init_subclass__(**kwargs)
        if "training_step" in vars(cls):
            cls.training_step = checked_step(cls.training_step)  # type: ignore[method-assign]

    def __init__(
        self,
        spec: InputSpec | Mapping[str, Any],
        architecture: str | Mapping[str, Any] = "lenet5",
        loss: str | Mapping[str, Any] = "cross_entropy",
        label_smoothing: float = 0.0,
        l1: float = 0.0,
        class_weights: Literal["balanced"] | list[float] | None = None,
        mixup: float | None = None,
        cutmix: float | None = None,
        teacher: str | None = None,
        teacher_temperature: float = TEMPERATURE,
        teacher_weight: float = WEIGHT,
        metrics: PartSetting | None = None,
        layer_decay: float | None = None,
        warmup_steps: int = 0,
        freeze: int | str | None = None,
        batch_norm: Literal["train", "eval"] | None = None,
        optimizer: ClassConfig = DEFAULT_OPTIMIZER,
        lr_scheduler: ClassConfig | None = None,
        channels_last: bool | None = None,
    ) -> None:
        if not 0 <= l1 < float("inf"):
            raise UserError(f"model.l1 is {l1}; allowed is 0 or more")
        if warmup_steps < 0:
            raise UserError(f"model.warmup_steps is {warmup_steps}; allowed is 0 or more")
        if channels_last is None and issubclass(optim.class_of(optimizer), LBFGS):
            channels_last = False  # it views gradients as flat tensors
        super().__init__(spec, architecture, freeze, channels_last)
        classes, mixes = len(self.spec.classes), mixup is not None or cutmix is not None
        self.loss, self.l1 = Loss(loss, label_smoothing, class_weights, self.spec), l1
        self.mixer = BatchMixer(mixup, cutmix, classes) if mixes else None
        self.distillation: Distillation | None = None
        if teacher is not None:
            self.distillation = Distillation(teacher, teacher_temperature, teacher_weight, self.spec)
        elif (teacher_temperature, teacher_weight) != (TEMPERATURE, WEIGHT):
            raise UserError("model.teacher_temperature and model.teacher_weight need a teacher: --model.teacher RUN")
        self.optimizer, self.lr_scheduler, self.warmup_steps = optimizer, lr_scheduler, warmup_steps
        self.batch_norm = batch_norm or "train"
        self.train()  # Lightning keeps the modes that modules have when training begins
        self.layer_rates = {} if layer_decay is None else optim.layer_rates(self.network, self.spec, layer_decay)
        # They build the same module again; they are primitives, so that a checkpoint loads with weights_only.
        self.save_hyperparameters(
            {
                "spec": self.spec.to_dict(),
                "architecture": self.architecture,
                "loss": self.loss.recorded,
                "label_smoothing": label_smoothing,
                "l1": l1,
                "class_weights": class_weights,
                "metrics": metrics,
                "freeze": freeze,
                "batch_norm": batch_norm,
                "channels_last": self.channels_last,
            },
            logger=False,
        )
        #: Set while batches hold the output of frozen layers instead of images (zoo.training.feature_cache).
        self.prefix: Prefix | None = None
        self.val_metrics, self.test_metrics = (SplitMetrics(self.spec, split, metrics) for split in ("val", "test"))

    @classmethod
    @restricted()
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Self:
        """Load as Lightning does, tensors and plain values alone; a checkpoint names what any file may name."""
        return super().load_from_checkpoint(*args, **{"weights_only": True, **kwargs})

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every module; frozen ones stay in evaluation mode, and BatchNorm where it is ``eval``."""
        super().train(mode)
        if self.batch_norm == "eval":
            for module in self.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Return the loss to minimise, its value, the logits, and the labels that count as correct.

        The value comes separately, because Lightning divides the loss when gradients accumulate.
        """
        images, targets = batch
        labels = targets
        if self.mixer is None:
            logits = self.logits(images)
        else:
            inputs, targets = self.mixer(self.preprocess(images), labels)
            logits, labels = self._whole(self.answer, inputs), targets.argmax(dim=1)
        loss = total = self.loss(self.require_contract(logits, len(labels), trained=torch.is_grad_enabled()), targets)
        if self.distillation is not None:
            total = self.distillation.combined(
                loss, logits, images if self.mixer is None else self.preprocess.levels(inputs)
            )
        output = {"loss": self._penalised(total)}
        output |= {"loss_value": loss.detach(), "logits": logits.detach(), "labels": labels}
        if self._logs_figures():
            self._log_training(output)
        return output

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Add a batch to the validation metrics, and return its logits."""
        return {"logits": self._evaluate(batch, self.val_metrics)}

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Add a batch to the test metrics, and return its logits."""
        return {"logits": self._evaluate(batch, self.test_metrics)}

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy, macro F1 and, with more than 5 classes, top-5 accuracy, over all processes."""
        self.log_dict(self.val_metrics.compute_and_reset(), logger=None if self._logs_figures() else False)

    def on_test_epoch_end(self) -> None:
        """Log the same of the test split."""
        self.log_dict(self.test_metrics.compute_and_reset())

    def _logs_figures(self) -> bool:
        """Tell whether loggers get the figures from here; in ``zoo fit`` EpochMetrics writes one row an epoch."""
        callbacks = getattr(self._trainer_or_none(), "callbacks", None)
        return callbacks is not None and not any(isinstance(callback, EpochMetrics) for callback in callbacks)

    def _log_training(self, output: dict[str, Tensor]) -> None:
        """Log the epoch's means and the figures of this batch, under their names in metrics.csv."""
        correct = output["logits"].argmax(dim=1) == output["labels"]
        figures, count = {"train/loss": output["loss_value"], "train/accuracy": correct.float().mean()}, len(correct)
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)
        self.log_dict({f"{name}_step": value for name, value in figures.items()}, batch_size=count)

    @property
    def has_own_step(self) -> bool:
        """Whether a subclass says what a step of training is."""
        return type(self).training_step is not ImageClassifier.training_step

    @property
    def gives_logits(self) -> bool:
        """As in Classifier."""
        return not self.has_own_step

    def compile_network(self, mode: bool | str) -> None:
        """Let torch.compile speed the network up, in one of its modes; True is its default."""
        self._compiled = CompiledNetwork(self.network, mode)

    def logits(self, images: Tensor) -> Tensor:
        """Return logits of a batch of images, or of features in their place."""
        if self.prefix is None or images.dtype == torch.uint8:
            return self._whole(self, images)
        return self.prefix.logits(images, training=self.training)

    def _whole(self, call: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Return logits, of a compiled network in batches of one size."""
        return call(images) if self._compiled is None else self._compiled.logits(call, images)

    def _penalised(self, loss: Tensor) -> Tensor:
        if self.l1 == 0:
            return loss
        weights = [parameter for parameter in self.parameters() if parameter.requires_grad and parameter.ndim > 1]
        return loss + self.l1 * torch.stack([weight.abs().sum() for weight in weights]).sum()

    def _evaluate(self, batch: tuple[Tensor, Tensor], metrics: SplitMetrics) -> Tensor:
        images, labels = batch
        if not len(labels):  # of several processes, this one has no image
            return torch.zeros(0, len(self.spec.classes), device=labels.device)
        logits = self.require_contract(self.logits(images), len(labels))
        metrics.update(logits, labels, self.loss(logits, labels))
        return logits
