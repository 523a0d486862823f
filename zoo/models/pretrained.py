"""Pretrained weights: found by name, path or address, read safely, and loaded into a network.

DEFAULT, IMAGENET1K_V1           ─┐                           ┌─► spec: size, mean, std, resize rule, class names
file.pth, file.safetensors, RUN   ├─► find_weights ─► Weights ┤
https://…/file.pth#sha256=…      ─┘                           └─► load_into(network): all but what has other classes
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from zoo.core import registry
from zoo.core.errors import UserError, did_you_mean
from zoo.core.spec import InputSpec
from zoo.models.checkpoint import architecture_options, require_same_architecture, spec_of
from zoo.models.classifier import Classifier
from zoo.models.installed import WEIGHTS, installed_folder
from zoo.models.layers import Layer, layers
from zoo.models.weight_files import address_file, likeliest, published_file, read_weights, recognised
from zoo.models.weights import PublishedWeights, is_state, offered_weights, unpacked
from zoo.runs.folder import Run

#: Keys of each kind that an error lists, and classes that a line names; there may be hundreds.
SHOWN_KEYS = 6


@dataclass(frozen=True)
class FreshHead:
    """What of a network has fresh weights although others were loaded.

    Args:
        layers: names of its last layer or, where it has several heads, of each; empty if all weights are loaded.
        classes: labels of the classes whose rows in these layers are fresh; the rows of all others are loaded.
        text: the same for people.
    """

    layers: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Weights:
    """Weights read from a file.

    Args:
        name: as the user typed it.
        architecture: registered name of the network they are for.
        state: tensors by the network's own keys.
        spec: what they were trained for; None if unknown.
        prepared_as: the published weights, or the run, whose preparation of images ``spec`` holds.
        assumed: the same name, if zoo assumes that the file is of them; empty if the file is known.
        unsure: whether other published weights, which the file may be, prepare images in another way.
        taken_off: the keys of the file that the weights lay under, and the prefix of their own keys.
        predicts: as in PublishedWeights.
        from_run: whether they are a run's, whose classes keep their rows of the last layer.
    """

    name: str
    architecture: str
    state: Mapping[str, Tensor]
    spec: InputSpec | None
    prepared_as: str = ""
    assumed: str = ""
    unsure: bool = False
    taken_off: tuple[str, ...] = ()
    predicts: bool = True
    from_run: bool = False

    def unwrapped(self, network: nn.Module) -> Weights:
        """Return the weights without the prefix that all their keys have, if they then fit the network.

        Training programs wrap a network: DataParallel saves ``module.conv.weight``, torch.compile ``_orig_mod.``.
        """
        every = set(network.state_dict())
        own = {key for key in every if not key.endswith("num_batches_tracked")}
        keys, prefix = list(self.state), ""
        while keys and not (own <= set(keys) or set(keys) <= every):
            first = keys[0].partition(".")[0] + "."
            if not all(key.startswith(first) for key in keys):
                return self
            keys, prefix = [key.removeprefix(first) for key in keys], prefix + first
        if not prefix or not keys:
            return self
        return replace(
            self,
            state={key.removeprefix(prefix): value for key, value in self.state.items()},
            taken_off=(*self.taken_off, prefix),
        )

    def load_into(self, network: nn.Module, spec: InputSpec, *, replace_head: bool = True) -> FreshHead:
        """Load the weights into a network.

        Args:
            network: built for ``spec``.
            spec: the data's.
            replace_head: where the weights are for other classes, or lack the last layer, keep the fresh weights of
                the last layer, or of each of several heads. Of a run, the rows of its classes are loaded all the same.

        Returns:
            What is fresh.

        Raises:
            UserError: a tensor is missing, unknown to the network or of another shape; it lists the keys.
        """
        if (weights := self.unwrapped(network)) is not self:
            return weights.load_into(network, spec, replace_head=replace_head)
        own = network.state_dict()
        # Files from before 2018 have no such count, and BatchNorm starts it at 0.
        missing = [key for key in own if key not in self.state and not key.endswith("num_batches_tracked")]
        extra = [key for key in self.state if key not in own]
        other = [key for key in own if key in self.state and own[key].shape != self.state[key].shape]
        foreign = self.spec is not None and not self.assumed and self.spec.classes != spec.classes
        # Some networks have several heads, as distilled ones do: only the number of classes differs in them.
        resized = {key for key in other if own[key].shape == (len(spec.classes), *self.state[key].shape[1:])}
        resized |= {key for key in missing if own[key].shape[:1] == (len(spec.classes),)}
        numbered = layers(network, spec) if replace_head and (other or missing or foreign) else []
        heads = [layer for layer in numbered if layer is numbered[-1] or resized & set(layer.parameters)]
        fresh = [key for head in heads for key in head.parameters]
        if extra or not {*missing, *other} <= set(fresh):
            raise UserError(
                f"weights {self.name} do not fit architecture '{self.architecture}': "
                f"missing: {_listed(missing)}; not in the network: {_listed(extra)}; of another shape: "
                + _listed([f"{key} {tuple(self.state[key].shape)} for {tuple(own[key].shape)}" for key in other])
            )
        rows = self._rows(spec, heads, own)
        loaded = {key: value for key, value in self.state.items() if key not in fresh}
        network.load_state_dict(loaded | rows, strict=False)
        return self._fresh_head(spec, heads, bool(rows), [key for key in fresh if key in self.state])

    def kept_classes(self, spec: InputSpec) -> list[tuple[int, int]]:
        """Return the label in the data, and the label in the weights, of each class whose rows are kept."""
        if not self.from_run or self.spec is None:
            return []
        places = {name: label for label, name in enumerate(self.spec.classes)}
        return [(label, places[name]) for label, name in enumerate(spec.classes) if name in places]

    def _rows(self, spec: InputSpec, heads: list[Layer], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the parameters of the heads with the rows of the kept classes; empty where none is kept."""
        pairs, rows, tensors = self.kept_classes(spec), {}, self.state
        if not pairs or self.spec is None:
            return {}
        for head in heads:
            for key in head.parameters:
                old, new = tensors[key], own[key].clone()
                if key.rpartition(".")[0] != head.name and old.shape == new.shape:
                    rows[key] = old  # of a normalisation before it
                elif (len(old), len(new)) != (len(self.spec.classes), len(spec.classes)):
                    return {}
                else:
                    new[[label for label, _ in pairs]] = old[[label for _, label in pairs]].to(new.dtype)
                    rows[key] = new
        return rows

    def _fresh_head(self, spec: InputSpec, heads: list[Layer], kept: bool, replaced: list[str]) -> FreshHead:
        labels = {label for label, _ in self.kept_classes(spec)} if kept else set()
        fresh = tuple(label for label in range(len(spec.classes)) if label not in labels)
        if not heads or not fresh:
            return FreshHead()
        names = " and ".join(head.name for head in heads)
        if kept:
            text = f"{names} keeps the rows of {len(labels)} classes; fresh: " + _listed(
                [spec.classes[label] for label in fresh]
            )
        elif not replaced:
            text = f"{names}, which they lack, is a fresh one of {len(spec.classes)} classes"
        else:
            count = len(self.state[replaced[-1]])
            text = f"{names} of {count} classes replaced by a fresh one of {len(spec.classes)}"
        return FreshHead(tuple(head.name for head in heads), fresh, text)

    def summary(self, fresh: FreshHead, spec: InputSpec) -> str:
        """Return one line: what of the network is fresh, and how images are prepared.

        Args:
            fresh: as ``load_into`` returned it.
            spec: the network's.
        """
        line = f"weights {self.name}" + (f": layer {fresh.text}" if fresh.text else "")
        if self.taken_off:
            line += f"; taken off their keys: {', '.join(self.taken_off)}"
        if self.spec is None:
            line += "; images are normalised by the data's own mean, because the file does not say how"
        else:
            reason = ", because the file does not say which weights it holds" if self.unsure else ""
            line += f"; images are prepared as for {self.prepared_as}{reason}"
        return f"{line}: {spec.preparation()}"


def pretrained_classifier(
    weights: Weights, architecture: str | Mapping[str, Any], channels_last: bool | None = None
) -> Classifier:
    """Return a network with all of its published weights, on the CPU, evaluating; arguments as for ``Classifier``.

    Raises:
        UserError: the weights do not fit, or do not say which classes they tell apart.
    """
    if weights.spec is None or not weights.predicts:
        raise UserError(
            f"weights {weights.name} do not say which classes they tell apart, or how exactly images are prepared; "
            "train a run from them first"
        )
    classifier = Classifier(weights.spec, architecture, channels_last=channels_last).eval()
    weights.load_into(classifier.network, weights.spec, replace_head=False)
    return classifier


def find_weights(architecture: str | Mapping[str, Any], source: str) -> Weights:
    """Return the weights that ``--model.weights`` names; missing files are downloaded and verified.

    Downloads go to torchvision's folder, ``$TORCH_HOME/hub/checkpoints``, by default under ``~/.cache/torch``.

    Args:
        architecture: registered name of the network, or ``{"name": ..., hyperparameter: value, ...}``, with which a
            checkpoint must agree.
        source: a name of published weights such as ``DEFAULT``; a run folder; an installed model; a ``.safetensors``
            file, a file of ``torch.save`` or a zoo checkpoint; or an ``http(s)`` address that ends in ``#sha256=`` and
            64 digits.

    Raises:
        UserError: there are no such weights, or the file holds none.
        DownloadError: they cannot be downloaded, or the file does not match its checksum.
    """
    wanted = {"name": architecture} if isinstance(architecture, str) else architecture
    published = offered_weights(registry.load("architecture", wanted["name"]))
    if source in published:
        chosen = published[source]
        return _load(source, wanted, published_file(chosen), {source: chosen})
    if "://" in source:
        return _load(source, wanted, address_file(source), published)
    path = Path(source).expanduser()
    if (folder := installed_folder(source)) is not None:
        return _load(source, wanted, folder / WEIGHTS, {})
    if os.path.isdir(path):
        return _load(source, wanted, Run.open(path).trained(), {})
    if not os.path.isfile(path):
        offered = f"{', '.join(published)}" if published else f"architecture '{wanted['name']}' has none"
        raise UserError(
            f"model.weights is '{source}'; there is no such file, run or installed model, and no published weights "
            f"of that name ({offered}){did_you_mean(source, published)}; allowed is such a name, a file, a run, or an "
            "address ending in #sha256=..."
        )
    return _load(source, wanted, path, published)


def _load(source: str, wanted: Mapping[str, Any], path: Path, published: Mapping[str, PublishedWeights]) -> Weights:
    """Read a file, and find out what its weights were trained for."""
    content = read_weights(path)
    if "state_dict" in content and "spec" in (content.get("hyper_parameters") or ()):
        return _from_checkpoint(source, wanted, path, content)
    if name := recognised(path, published):
        content = published[name].convert(content)
    content, taken_off = unpacked(content)
    if not is_state(content):
        keys = ", ".join(map(str, list(content)[:SHOWN_KEYS]))
        raise UserError(f"weights {path} hold no state_dict (keys: {keys or 'none'}); save model.state_dict() alone")
    prepared_as = name or likeliest(path, content, published)
    if not prepared_as:
        return Weights(source, wanted["name"], content, None, taken_off=taken_off)
    chosen = published[prepared_as]
    state = {new: value for old, value in content.items() if (new := chosen.key(old)) is not None}
    ways = {replace(offer.spec, classes=("0", "1")) for offer in published.values()}
    return Weights(
        name=source,
        architecture=wanted["name"],
        state=state,
        spec=chosen.spec,
        prepared_as=prepared_as,
        assumed="" if name else prepared_as,
        unsure=not name and len(ways) > 1,
        taken_off=taken_off,
        predicts=chosen.predicts,
    )


def _from_checkpoint(source: str, wanted: Mapping[str, Any], path: Path, content: dict[str, Any]) -> Weights:
    """Return the network's weights in a zoo checkpoint."""
    spec = spec_of(content, path)
    asked = {**wanted, **registry.recorded("architecture", wanted["name"])}
    require_same_architecture(content, path, asked, remedy=f"add {architecture_options(content, asked)}")
    if not is_state(content["state_dict"]):
        raise UserError(f"{path} is not a checkpoint of this zoo: its state_dict holds no weights")
    prefix = "network."
    state = {key.removeprefix(prefix): value for key, value in content["state_dict"].items() if key.startswith(prefix)}
    return Weights(source, wanted["name"], state, spec, "that run", from_run=True)


def _listed(keys: list[str]) -> str:
    more = f", ... ({len(keys)} in all)" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more if keys else "none"
