"""ImageClassifier: preprocess, network, loss and metrics; the same step trains, validates and tests.

    uint8 images ──► Preprocess(spec) ──► network(spec) ──► logits ──► cross-entropy, accuracy, top-5, macro F1

The loss that is shown is the same in training and evaluation: label smoothing counts in both, the L1 penalty in none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from zoo import freeze as freezing
from zoo import registry
from zoo.errors import UserError
from zoo.prefix import FrozenPrefix
from zoo.preprocess import Preprocess
from zoo.spec import InputSpec

#: A class and its arguments, as LightningCLI writes them: ``{"class_path": ..., "init_args": {...}}``.
ClassConfig = Mapping[str, Any]

#: fused: one kernel for all parameters; on two cores a step of LeNet-5 takes 0.8 of the time.
DEFAULT_OPTIMIZER: ClassConfig = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3, "fused": True}}


class ImageClassifier(pl.LightningModule):
    """Any registered architecture, trained to classify images.

    Args:
        spec: what the network must know of its data (or its JSON form).
        architecture: a registered name, or ``{"name": ..., hyperparameter: value, ...}``; a checkpoint adds ``from``,
            the distribution that the name is of.
        loss: cross_entropy, or mse: the mean squared error of the probabilities to the one-hot label.
        label_smoothing: share, in [0, 1), of each target that is spread evenly over all classes.
        l1: weight, 0 or more, of the sum of absolute weights that is added to what training minimises (biases and
            normalisation apart); for L2 use the optimizer's weight_decay.
        freeze: how many of the network's first layers do not train, as ``zoo info NAME --freeze N`` numbers them, or
            the path of a module such as ``features``; their weights and buffers stay bit for bit what they are.
        optimizer: class and arguments; the parameters that train are added.
        lr_scheduler: class and arguments, stepped after each epoch; None keeps the learning rate.

    Raises:
        UserError: the name is unknown, or a value is not allowed.
    """

    def __init__(
        self,
        spec: InputSpec | Mapping[str, Any],
        architecture: str | Mapping[str, Any] = "lenet5",
        loss: Literal["cross_entropy", "mse"] = "cross_entropy",
        label_smoothing: float = 0.0,
        l1: float = 0.0,
        freeze: int | str | None = None,
        optimizer: ClassConfig = DEFAULT_OPTIMIZER,
        lr_scheduler: ClassConfig | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise UserError(f"model.label_smoothing is {label_smoothing}; allowed is 0 or more and less than 1")
        if not 0 <= l1 < float("inf"):
            raise UserError(f"model.l1 is {l1}; allowed is 0 or more")
        if loss not in ("cross_entropy", "mse"):
            raise UserError(f"model.loss is '{loss}'; allowed are cross_entropy and mse")
        self.spec = spec if isinstance(spec, InputSpec) else InputSpec.from_dict(spec)
        hyperparameters = {"name": architecture} if isinstance(architecture, str) else dict(architecture)
        name, origin = hyperparameters.pop("name"), hyperparameters.pop("from", "")
        origin = registry.find("architecture", name, origin).origin
        self.architecture = {"name": name, "from": origin, **hyperparameters}
        self.loss, self.label_smoothing, self.l1 = loss, label_smoothing, l1
        self.optimizer, self.lr_scheduler = optimizer, lr_scheduler
        # What it takes to build the same module again; primitives, so that a checkpoint loads with weights_only.
        self.save_hyperparameters(
            {
                "spec": self.spec.to_dict(),
                "architecture": self.architecture,
                "loss": loss,
                "label_smoothing": label_smoothing,
                "l1": l1,
                "freeze": freeze,
            },
            logger=False,
        )
        self.preprocess = Preprocess(self.spec)
        self.network: nn.Module = registry.call("architecture", name, (self.spec,), hyperparameters)
        #: What of the network is frozen, and stays in evaluation mode.
        self.frozen: list[nn.Module] = []
        if freeze is not None:
            self.frozen = freezing.freeze(self.network, self.spec, freeze).modules
            self.train()  # a fit begins with the modes it finds
        #: Set while batches hold the output of the frozen layers instead of images (zoo.features).
        self.prefix: FrozenPrefix | None = None
        self.val_metrics = _metrics(len(self.spec.classes), "val/")
        self.test_metrics = _metrics(len(self.spec.classes), "test/")
        self.val_loss, self.test_loss = MeanMetric(), MeanMetric()

    def train(self, mode: bool = True) -> ImageClassifier:
        """Set the mode of every module; what is frozen stays in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, floating ``(batch, classes)``, of uint8 images ``(batch, height, width, channels)``."""
        logits: Tensor = self.network(self.preprocess(images))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Return the loss to minimise, its value, and how many of the batch were right.

        The value is apart because Lightning divides what it minimises when gradients accumulate.
        """
        logits, loss = self._step(batch)
        hits = (logits.detach().argmax(dim=1) == batch[1]).sum()
        return {"loss": self._penalised(loss), "loss_value": loss.detach(), "hits": hits}

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the validation metrics."""
        self._evaluate(batch, self.val_metrics, self.val_loss)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Add a batch to the test metrics, and return its logits."""
        return {"logits": self._evaluate(batch, self.test_metrics, self.test_loss)}

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy, macro F1 and, of more than 5 classes, top-5 accuracy, over all processes."""
        self._log(self.val_metrics, self.val_loss, "val/")

    def on_test_epoch_end(self) -> None:
        """Log the same of the test split."""
        self._log(self.test_metrics, self.test_loss, "test/")

    def configure_optimizers(self) -> Any:
        """Build the optimizer over the parameters that train, and the scheduler over it."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = _build(self.optimizer, trained)
        if self.lr_scheduler is None:
            return optimizer
        scheduler = _build(self.lr_scheduler, optimizer)
        if isinstance(scheduler, ReduceLROnPlateau):
            monitor = getattr(scheduler, "monitor", "val/loss")
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": monitor}}
        return [optimizer], [scheduler]

    def _step(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        images, labels = batch
        if self.prefix is None or images.dtype == torch.uint8:
            logits = self(images)
        else:
            logits = self.prefix.logits(images, training=self.training)
        if logits.shape != (len(labels), len(self.spec.classes)):
            raise UserError(
                f"architecture '{self.architecture['name']}' breaks the contract: it must return logits "
                f"{(len(labels), len(self.spec.classes))}, received {tuple(logits.shape)}"
            )
        return logits, self._loss(logits, labels)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.loss == "cross_entropy":
            return nn.functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        classes = logits.shape[1]
        target = nn.functional.one_hot(labels, classes) * (1 - self.label_smoothing) + self.label_smoothing / classes
        return nn.functional.mse_loss(logits.softmax(dim=1), target.to(logits.dtype))

    def _penalised(self, loss: Tensor) -> Tensor:
        if self.l1 == 0:
            return loss
        weights = [parameter for parameter in self.parameters() if parameter.requires_grad and parameter.ndim > 1]
        return loss + self.l1 * torch.stack([weight.abs().sum() for weight in weights]).sum()

    def _evaluate(self, batch: tuple[Tensor, Tensor], metrics: MetricCollection, mean_loss: MeanMetric) -> Tensor:
        logits, loss = self._step(batch)
        metrics.update(logits, batch[1])
        mean_loss.update(loss, len(batch[1]))
        return logits

    def _log(self, metrics: MetricCollection, mean_loss: MeanMetric, prefix: str) -> None:
        # logger=False: the epoch's row is written once, with the training figures beside these (zoo.progress).
        self.log_dict({f"{prefix}loss": mean_loss.compute(), **metrics.compute()}, logger=False)
        metrics.reset()
        mean_loss.reset()


def _metrics(classes: int, prefix: str) -> MetricCollection:
    metrics: dict[str, Any] = {
        "accuracy": MulticlassAccuracy(classes, average="micro"),
        "f1": MulticlassF1Score(classes, average="macro"),
    }
    if classes > 5:
        metrics["top5_accuracy"] = MulticlassAccuracy(classes, average="micro", top_k=5)
    # Groups are guessed from the first batch: where it is all right or all wrong, top-5 would become top-1 for good.
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)


def _build(config: ClassConfig, first: Any) -> Any:
    """Call a class by its dotted path, ``first`` before its own arguments."""
    module, _, name = config["class_path"].rpartition(".")
    return getattr(import_module(module), name)(first, **(config.get("init_args") or {}))
