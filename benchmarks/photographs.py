"""Fine-tuning on a few photographs: ``zoo fit`` against scikit-learn and against a loop by hand, same data and weights.

    python benchmarks/photographs.py FOLDER WEIGHTS [--seeds 5] [--ways probe,by_hand,freeze,fit]

FOLDER holds ``train/<class>/*.jpg`` and ``val/<class>/*.jpg``, WEIGHTS are those of timm's tf_efficientnet_lite0. The
ways, which alternate, each in a process of its own:

- ``probe``: timm's own transform in a DataLoader of two workers, the features of all images computed once, and
  scikit-learn's logistic regression on them.
- ``by_hand``: the last layer by L-BFGS on such features, then all layers for 3 epochs by AdamW 5e-5, BatchNorm in
  evaluation mode, RandomResizedCrop and flip in a DataLoader of two workers.
- ``freeze``: ``zoo fit --model.freeze backbone``.
- ``fit``: ``zoo fit`` without any option but those of network, weights and data.

The accuracy is that of the last epoch on ``val``. The time begins when everything is imported, so start-up is apart; it
ends with the last validation of the first two ways, and with the run complete, its report written, of zoo's.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.data import DataLoader

ARCHITECTURE = "tf_efficientnet_lite0"

#: Options of the ways that are ``zoo fit``.
ZOO = {"freeze": {"freeze": "backbone"}, "fit": {}}

#: Pairs whose times are compared, and the ratio of the issue's target.
TARGETS = (("freeze", "probe", 0.6), ("fit", "by_hand", 0.7))

BATCH_SIZE, WORKERS = 32, 2


class Peer:
    """What a user would write with torch, timm and scikit-learn.

    Args:
        folder: holds train and val.
        weights: of ARCHITECTURE.
        seed: of everything drawn.
    """

    def __init__(self, folder: Path, weights: Path, seed: int) -> None:
        import timm
        import torch
        from safetensors.torch import load_file
        from timm.data import create_transform, resolve_data_config

        torch.manual_seed(seed)
        self.folder = folder
        self.network = timm.create_model(ARCHITECTURE)
        self.network.load_state_dict(load_file(weights))
        self.network.reset_classifier(len(list((folder / "train").iterdir())))
        config = resolve_data_config({}, model=self.network)
        self.transform, crop = create_transform(**config), {"scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3)}
        self.augmented = create_transform(**config, is_training=True, color_jitter=None, hflip=0.5, **crop)

    def loader(self, split: str, transform: Any, *, shuffle: bool) -> DataLoader[Any]:
        """Return batches of images and labels."""
        from torch.utils.data import DataLoader
        from torchvision.datasets import ImageFolder

        images = ImageFolder(str(self.folder / split), transform)
        return DataLoader(images, BATCH_SIZE, shuffle=shuffle, num_workers=WORKERS)

    def features(self, split: str) -> tuple[Tensor, Tensor]:
        """Return pooled features and labels of a split."""
        import torch

        self.network.eval()
        parts = []
        with torch.inference_mode():
            for images, labels in self.loader(split, self.transform, shuffle=False):
                features = self.network.forward_head(self.network.forward_features(images), pre_logits=True)
                parts.append((features, labels))
        features, labels = (torch.cat(part).clone() for part in zip(*parts, strict=True))
        return features, labels

    def accuracy(self) -> float:
        """Return the share of val that the network classifies correctly."""
        import torch

        self.network.eval()
        correct = total = 0
        with torch.inference_mode():
            for images, labels in self.loader("val", self.transform, shuffle=False):
                correct += int((self.network(images).argmax(dim=1) == labels).sum())
                total += len(labels)
        return correct / total


def probe(folder: Path, weights: Path, seed: int) -> tuple[float, float]:
    """Fit a logistic regression on features computed once."""
    from sklearn.linear_model import LogisticRegression

    peer = Peer(folder, weights, seed)
    begin = perf_counter()
    (features, labels), (val_features, val_labels) = peer.features("train"), peer.features("val")
    regression = LogisticRegression(max_iter=1000).fit(features.numpy(), labels.numpy())
    accuracy = float(regression.score(val_features.numpy(), val_labels.numpy()))
    return accuracy, perf_counter() - begin


def solve_head(head: nn.Module, features: Tensor, labels: Tensor) -> None:
    """Fit the last layer to features, by L-BFGS."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.nn.init.zeros_(head.weight)  # type: ignore[arg-type]
    torch.nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(head(features), labels) + 1e-3 * head.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]


def by_hand(folder: Path, weights: Path, seed: int) -> tuple[float, float]:
    """Solve the head, then fine-tune all layers."""
    import torch
    from torch.nn.functional import cross_entropy

    peer = Peer(folder, weights, seed)
    begin = perf_counter()
    network = peer.network
    solve_head(network.get_classifier(), *peer.features("train"))
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5)
    for _ in range(3):
        network.eval()  # BatchNorm keeps the statistics of the pretrained weights
        for images, labels in peer.loader("train", peer.augmented, shuffle=True):
            optimizer.zero_grad()
            cross_entropy(network(images), labels).backward()
            optimizer.step()
        accuracy = peer.accuracy()
    return accuracy, perf_counter() - begin


def fit(way: str, folder: Path, weights: Path, seed: int) -> tuple[float, float]:
    """Train by zoo."""
    import timm  # noqa: F401  # imported before the time begins
    from sklearn.linear_model import LogisticRegression  # noqa: F401

    import zoo
    import zoo.config.fit_cli

    model = {"architecture": f"timm/{ARCHITECTURE}", "weights": str(weights), **ZOO[way]}
    data = {"dataset": "folder", "root": str(folder)}
    with tempfile.TemporaryDirectory() as temporary:
        begin = perf_counter()
        trainer = {"default_root_dir": temporary}
        run = zoo.fit(model=model, data=data, trainer=trainer, seed_everything=seed)
        seconds = perf_counter() - begin
        accuracy = [row["val/accuracy"] for row in run.metrics if "val/accuracy" in row][-1]
    return float(accuracy), seconds


def run_one(way: str, folder: Path, weights: Path, seed: int) -> tuple[float, float]:
    """Return accuracy and seconds of one way, in this process."""
    if way in ZOO:
        return fit(way, folder, weights, seed)
    return {"probe": probe, "by_hand": by_hand}[way](folder, weights, seed)


def spread(values: list[float], digits: int) -> str:
    """Return mean, standard deviation and range."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    extremes = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f} ({extremes})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--ways", default="probe,by_hand,freeze,fit")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one, options.folder, options.weights, options.seed)))
        return
    ways = options.ways.split(",")
    results: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for way in ways:
            words = [str(options.folder), str(options.weights), "--one", way, "--seed", str(seed)]
            output = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, check=True, text=True)
            results[way].append(tuple(json.loads(output.stdout.splitlines()[-1])))
            accuracy, seconds = results[way][-1]
            print(f"seed {seed}, {way}: {accuracy:.2%} in {seconds:.1f} s", flush=True)
    import torch

    print(f"\ntorch {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads, n = {options.seeds}")
    for way, figures in results.items():
        accuracies, times = ([figure[index] for figure in figures] for index in (0, 1))
        print(f"{way:8} {spread([100 * value for value in accuracies], 2)} %, {spread(times, 1)} s")
    for way, peer, target in TARGETS:
        if way in results and peer in results:
            ratios = [ours[1] / theirs[1] for ours, theirs in zip(results[way], results[peer], strict=True)]
            print(f"time of {way} / {peer}: {spread(ratios, 2)}; target {target}")


if __name__ == "__main__":
    main()
