"""A LeNet-5 on CIFAR-10 taught by a larger network, against the same without: accuracy on the test images.

    python benchmarks/distillation.py [--teacher RUN] [--epochs 30] [--seeds 3] [--data.root ROOT]

Without --teacher, configs/cifar10/fast.yaml is trained first. The student is configs/cifar10/lenet5.yaml, its learning
rate ending with the epochs. Seeds alternate, and each line is printed as it is measured.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import zoo

CONFIGS = Path(__file__).parent.parent / "configs" / "cifar10"


def main() -> None:
    """Train, test and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--temperature", type=float, default=4.0)
    parser.add_argument("--weight", type=float, default=0.9)
    options = parser.parse_args()
    teacher = options.teacher
    if teacher is None:
        run = zoo.fit(config=CONFIGS / "fast.yaml", quiet=True)
        teacher = str(run.path)
        print(f"teacher {teacher}: {run.test()['test/accuracy']:.2%}", flush=True)
    taught = {
        "teacher": teacher,
        "teacher_temperature": options.temperature,
        "teacher_weight": options.weight,
    }
    accuracies: dict[str, list[float]] = {"alone": [], "taught": []}
    for seed in range(options.seeds):
        for name, model in (("alone", {}), ("taught", taught)):
            begin = time.perf_counter()
            run = zoo.fit(
                config=CONFIGS / "lenet5.yaml",
                model=model,
                lr_scheduler={"class_path": "CosineAnnealingLR", "init_args": {"T_max": 0}},
                max_epochs=options.epochs,
                seed_everything=seed,
                quiet=True,
            )
            seconds = time.perf_counter() - begin
            accuracies[name].append(run.test()["test/accuracy"])
            print(f"seed {seed} {name}: {accuracies[name][-1]:.2%} in {seconds:.0f} s", flush=True)
    for name, values in accuracies.items():
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name}: {statistics.mean(values):.2%} ± {spread:.2%} (n = {len(values)})")
    gains = [with_teacher - without for without, with_teacher in zip(*accuracies.values(), strict=True)]
    print(f"gain: {statistics.mean(gains):.2%} ({', '.join(f'{gain:.2%}' for gain in gains)})")


if __name__ == "__main__":
    main()
