"""The parts of benchmarks/gpu.py: each trains, predicts or measures one thing, and returns its figures."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: The recipe of the part cifar10.
RECIPE = Path(__file__).parent.parent / "configs" / "cifar10" / "accurate.yaml"

#: The peer of that recipe.
PEER = Path(__file__).with_name("airbench.py")


class Part:
    """Runs zoo for one part of the measurement.

    Args:
        device: cpu or cuda.
        small: whether sizes and times are those of a trial.
        folder: for runs and images.
    """

    def __init__(self, device: str, small: bool, folder: Path) -> None:
        self.device, self.small, self.folder = device, small, folder
        self.trainer = [f"--trainer.accelerator={device}", "--trainer.devices=1"]

    def zoo(self, *words: object) -> str:
        """Run a command in the folder; return the last line of what it prints."""
        command = [sys.executable, "-m", "zoo", *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
        return (done.stdout.strip().splitlines() or [""])[-1]

    def fit(self, name: str, *words: object) -> Path:
        """Train a run of its own name."""
        return self.folder / self.zoo("fit", "--run", name, *self.trainer, *words)

    def photographs(self, count: int) -> Path:
        """Return a folder of ``train`` and ``val`` with two classes of JPEG files."""
        import numpy as np
        from PIL import Image

        root, random = self.folder / "photographs", np.random.default_rng(0)
        if root.exists():
            return root
        height, width = (60, 80) if self.small else (375, 500)
        for number in range(count):
            place = root / ("val" if number % 8 == 0 else "train") / ("a", "b")[number // 8 % 2]
            place.mkdir(parents=True, exist_ok=True)
            small = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
            pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.int16)
            noise = random.integers(-8, 9, pixels.shape, np.int16)
            Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(place / f"{number}.jpg", quality=90)
        return root

    def size(self) -> list[str]:
        """Return the options of images and batches for photographs."""
        return ["--data.image_size", "32", "--data.batch_size", "8"] if self.small else ["--data.batch_size", "128"]


def speed(run: Path) -> float:
    """Return images per second of a run's last epoch."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return [float(row["images_per_second"]) for row in csv.DictReader(file) if row["images_per_second"]][-1]


def doctor(part: Part) -> dict[str, Any]:
    """Return whether every entry point loads, and the device's name."""
    import torch

    name = torch.cuda.get_device_name() if part.device == "cuda" else "cpu"
    return {"doctor": part.zoo("doctor"), "device": name, "torch": torch.__version__}


def lenet5(part: Part) -> dict[str, Any]:
    """Return images per second of LeNet-5 in float32, bfloat16 and compiled, and of a loop written by hand."""
    size = 64 if part.small else 512
    words = ["--data.batch_size", size, "--trainer.max_epochs", 2 if part.small else 20]
    ways = {"float32": ["--trainer.precision", "32-true"], "bfloat16": ["--trainer.precision", "bf16-mixed"]}
    if not part.small:
        ways["graphs"] = ["--trainer.precision", "32-true", "--model.compile", "reduce-overhead"]
    return {way: speed(part.fit(f"lenet5-{way}", *words, *more)) for way, more in ways.items()} | {
        "by hand": by_hand(part, size)
    }


def by_hand(part: Part, size: int) -> float:
    """Return images per second of LeNet-5 on digits in a plain loop; on a GPU a step is one CUDA graph."""
    import torch

    import zoo

    data = zoo.ImageDataModule("digits", batch_size=size)
    network = zoo.ImageClassifier(data.spec, "lenet5").to(part.device)
    images, labels = (tensor.to(part.device) for tensor in next(iter(data.train_dataloader())))
    optimizer = torch.optim.Adam(network.network.parameters(), fused=True, capturable=part.device == "cuda")

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    call = step
    if part.device == "cuda":
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        call = graph.replay
    steps = 10 if part.small else 2000
    begin = time.perf_counter()
    for _ in range(steps):
        call()
    if part.device == "cuda":
        torch.cuda.synchronize()
    return steps * len(labels) / (time.perf_counter() - begin)


def resume(part: Part) -> dict[str, Any]:
    """Return whether a run that was stopped twice ends bit-equal to one that was not, with deterministic kernels."""
    import torch

    words = ["--trainer.deterministic", "true", "--data.batch_size", 64]
    whole = part.fit("whole", *words, "--trainer.max_epochs", 3)
    for epochs in (1, 2, 3):  # the same name: it is resumed
        part.fit("pieces", *words, "--trainer.max_epochs", epochs)
    last = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, whole.with_name("pieces"))
    ]
    first, second = (checkpoint["state_dict"] for checkpoint in last)
    return {"bit-equal": all(torch.equal(first[key], second[key]) for key in first)}


def resnet50(part: Part) -> dict[str, Any]:
    """Return images per second of data path, step and fit, from memory and from files, and of torchvision's loader."""
    root = part.photographs(64 if part.small else 2048)
    model = "torchvision/resnet18" if part.small else "torchvision/resnet50"
    results: dict[str, Any] = {}
    for name, memory, augmentation in (("memory", 4, "crop_flip"), ("files", 0, "random_resized_crop")):
        output = part.folder / f"{name}.json"
        words = [
            "--data",
            "folder",
            "--data.root",
            root,
            "--data.memory_gib",
            memory,
            "--data.augmentation",
            augmentation,
        ]
        times = ["--rounds", 1, "--seconds", 0.2 if part.small else 6, "--output", output, "--device", part.device]
        part.zoo("bench", "--model", model, *words, *part.size(), *times)
        results[name] = json.loads(output.read_text())["images_per_second"]
    return results | {"torchvision's loader": reference_loader(part, root), "decoders": decoders(part, root)}


def reference_loader(part: Part, root: Path) -> float:
    """Return images per second of ImageFolder and torchvision's transforms in a DataLoader."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    steps = [v2.RandomResizedCrop(32 if part.small else 224), v2.RandomHorizontalFlip(), v2.ToImage()]
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    data = ImageFolder(root / "train", v2.Compose(steps))
    workers = 0 if part.small else min(os.cpu_count() or 1, 32)
    loader = DataLoader(
        data, 8 if part.small else 128, shuffle=True, num_workers=workers, pin_memory=part.device == "cuda"
    )
    count, begin = 0, time.perf_counter()
    for images, _ in loader:
        count += len(images.to(part.device, non_blocking=True))
    return count / (time.perf_counter() - begin)


def decoders(part: Part, root: Path) -> dict[str, float]:
    """Return photographs per second that one process decodes at full size: zoo's decoder, torchvision's, and nvJPEG."""
    import simplejpeg
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    contents = [path.read_bytes() for path in sorted((root / "train").rglob("*.jpg"))[: 16 if part.small else 512]]
    tensors = [torch.frombuffer(bytearray(content), dtype=torch.uint8) for content in contents]
    ways = {
        "simplejpeg": lambda: [simplejpeg.decode_jpeg(content) for content in contents],
        "torchvision": lambda: [decode_jpeg(tensor, ImageReadMode.RGB) for tensor in tensors],
    }
    if part.device == "cuda":
        ways["nvJPEG"] = lambda: decode_jpeg(tensors, ImageReadMode.RGB, device="cuda")
    results = {}
    for name, decode in ways.items():
        decode()
        begin = time.perf_counter()
        decode()
        if part.device == "cuda":
            torch.cuda.synchronize()
        results[name] = len(contents) / (time.perf_counter() - begin)
    return results


def frozen(part: Part) -> dict[str, Any]:
    """Return images per second of VGG16 of which the last layer alone trains."""
    root = part.photographs(64 if part.small else 2048)
    model, epochs = ("torchvision/resnet18", 2) if part.small else ("vgg16", 4)
    words = ["--model", model, "--model.freeze", "backbone", "--data", "folder", "--data.root", root]
    words += ["--data.augmentation", "none", "--trainer.max_epochs", epochs]
    return {"images_per_second": speed(part.fit("frozen", *words, *part.size()))}


def predict(part: Part) -> dict[str, Any]:
    """Return images per second of ``zoo predict`` on files, its start included."""
    root = part.photographs(64 if part.small else 2048)
    words = ["--model", "torchvision/resnet18", "--data", "folder", "--data.root", root, "--trainer.max_steps", 2]
    run = part.fit("predicts", *words, *part.size())
    begin = time.perf_counter()
    part.zoo("predict", run, root / "train", "--output", "predictions.csv", "--quiet", "--device", part.device)
    count = sum(1 for _ in (root / "train").rglob("*.jpg"))
    return {"images_per_second": count / (time.perf_counter() - begin), "images": count}


def onnx(part: Part) -> dict[str, Any]:
    """Return the same of an exported file."""
    root = part.photographs(64 if part.small else 2048)
    file = part.folder / part.zoo("export", part.fit("exported", "--trainer.max_epochs", 1))
    begin = time.perf_counter()
    part.zoo("predict", file, root / "train", "--output", "onnx.csv", "--quiet", "--device", part.device)
    return {"seconds": time.perf_counter() - begin}


def cifar10(part: Part) -> dict[str, Any]:
    """Return the test accuracy of accurate.yaml, and the seconds of its epochs."""
    words: list[object] = ["--config", RECIPE]
    if part.small:
        words += ["--model.architecture.width", 4, "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 4]
        words += ["--trainer.limit_val_batches", 1]
    run = part.fit("cifar10", *words)
    part.zoo("test", run, *part.trainer, *(["--trainer.limit_test_batches", 2] if part.small else []))
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["images_per_second"]]
    seconds = sum(48_000 / float(row["images_per_second"]) for row in rows)
    return {"accuracy": json.loads((run / "results.json").read_text())["test/accuracy"], "training_seconds": seconds}


def airbench(part: Part) -> dict[str, Any]:
    """Return accuracy and seconds of cifar10-airbench's recipe, trained until it is as good as the part cifar10."""
    results = part.folder / "runs" / "cifar10" / "results.json"
    target = json.loads(results.read_text())["test/accuracy"] if results.exists() else 0.94
    command = [sys.executable, PEER, "--device", part.device, "--target", str(target)]
    if part.small:
        command += ["--images", "256", "--widths", "4", "8", "8", "--lengths", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


PARTS = {
    function.__name__: function
    for function in (doctor, lenet5, resume, resnet50, frozen, predict, onnx, cifar10, airbench)
}
