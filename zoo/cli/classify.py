"""Open what classifies pictures: a run, a network as it was published, or an exported file, all used in one way."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from zoo import runtime
from zoo.core.errors import ImageError, UserError
from zoo.core.spec import InputSpec
from zoo.images.address import is_address, read_address
from zoo.images.files import as_user_errors
from zoo.models.installed import installed_folder
from zoo.models.many import Network

if TYPE_CHECKING:
    from zoo.config.resolve import ConfigSources
    from zoo.models.classifier import Classifier
    from zoo.models.tta import TestTimeAugmentation


@contextmanager
def opened_network(
    model: str | ConfigSources,
    threads: int,
    invert: bool,
    tta: TestTimeAugmentation | None = None,
    device: str = "cpu",
) -> Iterator[OpenedNetwork]:
    """Open a network for a command.

    Args:
        model: a run folder, a checkpoint file or an exported ``.onnx`` file, or the configuration of a network with
            pretrained weights.
        threads: CPU threads that the network may use for each batch.
        invert: whether pictures are inverted before the network sees them.
        tta: flip averages each picture and its mirror image.
        device: what computes: cpu, cuda or cuda:N.

    Raises:
        UserError: the model is wrong, an exported file averages already, or the device is not there.
    """
    if isinstance(model, str):
        folder = None if model.endswith(".onnx") else installed_folder(model)
        if folder is not None or model.endswith(".onnx"):
            file = model if folder is None else folder / "model.onnx"
            providers = _providers(device)
            try:
                with as_user_errors():
                    opened = runtime.Classifier(file, threads=threads, providers=providers)
            except ValueError as error:
                if providers is None or isinstance(error, UserError):
                    raise
                raise UserError(f"--device is '{device}', but {error}; 'zoo doctor' shows the devices") from error
            yield ExportedNetwork(opened, invert, tta)
            return
    from zoo.images.threads import torch_threads  # loads torch, which exported files do not need
    from zoo.models.checkpoint import load_classifier

    require_device(device)
    classifier = load_classifier(model) if isinstance(model, str) else _as_published(model)
    classifier.tta = tta
    with torch_threads(threads):
        yield TorchNetwork(classifier, invert, device)


def _providers(device: str) -> list[str] | None:
    """Return onnxruntime's name of a device; None is its default, the CPU."""
    if device.partition(":")[0] == "cpu":
        return None
    if device not in ("cuda", "cuda:0"):
        raise UserError(f"--device is '{device}'; for exported files allowed are cpu and cuda")
    return ["CUDA", "CPU"]


def require_device(device: str) -> None:
    """Refuse, by a UserError, a device that torch cannot compute on here."""
    import torch

    kind, _, number = device.partition(":")
    count = {"cpu": 1, "cuda": torch.cuda.device_count()}.get(kind, 0)
    if kind not in ("cpu", "cuda") or not (number or "0").isdecimal():
        raise UserError(f"--device is '{device}'; allowed are cpu, cuda and cuda:N")
    if int(number or 0) >= count:
        raise UserError(f"--device is '{device}', but torch finds {count} such devices here; allowed is cpu")


class OpenedNetwork(Network):
    """Reads pictures for a network; subclasses compute.

    Args:
        spec: what the network was trained for.
        training_images: ranges of the training images, as ``zoo.runtime.differences`` takes them.
        invert: whether pictures are inverted before the network sees them.
    """

    def __init__(self, spec: InputSpec, training_images: dict[str, list[float]], invert: bool) -> None:
        self.spec, self.training_images, self.invert = spec, training_images, invert
        self.classes = spec.classes
        self.thresholds: np.ndarray | None = None
        self.geometry = runtime.Geometry(spec.height, spec.width, **vars(spec.resize))

    def read(self, name: str) -> Image.Image | np.ndarray:
        """Return the picture of a file or address in the network's colours; ImageError if it cannot be read.

        Returns:
            A PIL image of mode L or RGB; of 2, 4 or more channels uint8 ``(height, width, channels)``.
        """
        spec, file = self.spec, io.BytesIO(read_address(name)) if is_address(name) else name
        try:
            if spec.channels not in (1, 3):
                return runtime.decode(file, spec.channels, spec.white_level)
            return runtime.open_image(file, spec.channels, spec.white_level)
        except runtime.ImageError as error:
            title = "" if file is name else name + ": "  # the message about a file starts with its name
            raise ImageError(title + str(error).removeprefix("image: ")) from error

    def see(self, name: str) -> tuple[np.ndarray, tuple[int, int]]:
        """Return what the network sees, inverted if that is asked for, and the size of the picture."""
        picture = self.read(name)
        size = picture.shape[:2] if isinstance(picture, np.ndarray) else (picture.height, picture.width)
        try:
            return self.geometry.scale(_inverted(picture) if self.invert else picture), size
        except runtime.ImageError as error:
            raise ImageError(f"{name}: {error}") from error

    def differences(self, pixels: np.ndarray, sizes: Sequence[tuple[int, int]]) -> list[list[str]]:
        """Return in what each picture is far from the training images."""
        return runtime.differences(self.training_images, self.geometry, pixels, sizes)


def _inverted(picture: Image.Image | np.ndarray) -> Image.Image | np.ndarray:
    return 255 - picture if isinstance(picture, np.ndarray) else ImageOps.invert(picture)


class ExportedNetwork(OpenedNetwork):
    """A file that ``zoo export`` wrote."""

    def __init__(self, classifier: runtime.Classifier, invert: bool, tta: TestTimeAugmentation | None = None) -> None:
        super().__init__(InputSpec.from_dict(classifier.input_spec), classifier.training_images, invert)
        if tta is not None and classifier.metadata.get("tta") is not None:
            raise UserError("the file was exported with --tta flip and averages by itself; leave --tta out")
        if tta is not None and classifier.labels == "several":
            raise UserError("--tta flip averages networks that give an image one class; this file gives several")
        self.tta = tta
        self.thresholds = classifier.thresholds
        self._classifier = classifier

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return the probabilities of each class; UserError where the graph of the file does not work."""
        with as_user_errors():
            if self.tta is None:
                return self._classifier.probabilities(pixels)
            views = (pixels, np.ascontiguousarray(pixels[:, :, ::-1]))
            logits = np.mean([self._classifier.logits(view) for view in views], axis=0)
        powers = np.exp((logits - logits.max(1, keepdims=True)) / self._classifier.metadata.get("temperature", 1.0))
        result: np.ndarray = powers / powers.sum(1, keepdims=True)
        return result


class TorchNetwork(OpenedNetwork):
    """The network of a run, or one as it was published."""

    def __init__(self, classifier: Classifier, invert: bool, device: str = "cpu") -> None:
        ranges = {} if classifier.run is None else classifier.run.known_training_images()
        super().__init__(classifier.spec, ranges, invert)
        self._classifier, self._device = classifier.eval().to(device), device

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return the probabilities of each class."""
        import torch

        with torch.inference_mode():
            logits = self._classifier(torch.from_numpy(pixels).to(self._device))
            result: np.ndarray = self._classifier.probabilities(logits).cpu().numpy()
        return result


def _as_published(arguments: ConfigSources) -> Classifier:
    """Return a network with the weights, the preprocessing and the classes it was published with, evaluating.

    Args:
        arguments: names the architecture and, as ``model.weights``, the weights.

    Raises:
        UserError: an option is wrong, or the weights do not fit or do not say which classes they tell apart.
        DownloadError: the weights cannot be downloaded.
    """
    from zoo.config.builder import ZooCLI
    from zoo.models.pretrained import FreshHead, find_weights, pretrained_classifier

    class PretrainedCLI(ZooCLI):
        """Builds the model alone."""

        def instantiate_classes(self) -> None:
            config = self.config.as_dict()["model"]
            name, value = self.sources.names["architecture"], config["weights"]
            if value is None:
                raise UserError(f"'{name}' without weights knows nothing; add --model.weights, or give a run instead")
            weights = find_weights(config["architecture"], value)
            self.classifier = pretrained_classifier(weights, config["architecture"], config["channels_last"])
            print(weights.summary(FreshHead(), self.classifier.spec), file=sys.stderr)

    return PretrainedCLI("predict", arguments, None).classifier
