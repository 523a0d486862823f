"""Checkpoints with one field that is not as zoo writes it, with damaged bytes, and with a stranger's code."""

from __future__ import annotations

import io
import pickle
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from fuzz.harness import CANARY, Case
from fuzz.values import FOREIGN, MISSING, damaged, paths_in, replaced, scalars, values, weighted
from hypothesis import strategies as st

#: Commands that read one, the quick ones and others.
COMMANDS = (
    *(("predict", "case/run", "photos/ant/0.png"), ("export", "case/run", "--format", "safetensors")),
    *(("predict", "case/run/checkpoints/best.ckpt", "photos/ant/0.png"), ("card", "case/run"), ("runs", "case")),
)
SLOW_COMMANDS = (
    *(("validate", "case/run"), ("fit", "case/run", "--trainer.max_epochs", "2")),
    ("fit", "case/run", "--trainer.max_epochs", "2", "--ckpt_path", "case/run/checkpoints/best.ckpt"),
)


class Payload:
    """What a pickle runs when it is read: the import of the canary."""

    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, (CANARY,)


@cache
def content(pristine: Path) -> dict[str, Any]:
    """Return the last checkpoint of the trained run."""
    loaded: dict[str, Any] = torch.load(pristine / "tiny" / "checkpoints" / "last.ckpt", weights_only=True)
    return loaded


def saved(checkpoint: Any) -> bytes:
    """Return a checkpoint's file."""
    stream = io.BytesIO()
    torch.save(checkpoint, stream)
    return stream.getvalue()


tensors: st.SearchStrategy[Any] = st.sampled_from(
    (
        *(
            torch.tensor(1.0),
            torch.zeros(0),
            torch.zeros(3, 2),
            torch.tensor([float("nan")]),
            torch.tensor([float("inf")]),
        ),
        *(torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.complex64), torch.zeros(2, dtype=torch.bool)),
        *(torch.empty(10**9, device="meta"), torch.zeros(1).expand(10**6), torch.zeros(2, 2).to_sparse()),
    )
)


def _of_tensor(value: torch.Tensor) -> list[torch.Tensor]:
    """Return tensors of the same shape that no training leaves, and of others."""
    return [
        *(value.double(), value.half(), value.long(), value[..., None], value.flatten()[:1], value * float("nan")),
        *(
            value * float("inf"),
            value.to_sparse(),
            value.to("meta"),
            value.t() if value.ndim == 2 else value,
            value * 1e38,
        ),
    ]


@st.composite
def _fields(draw: st.DrawFn, pristine: Path) -> bytes:
    """Return a checkpoint, one to two fields of which are others, missing or added."""
    tree: Any = content(pristine)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(paths_in(tree)))
        way = draw(st.sampled_from(("value", "value", "missing", "tensor", "add", "foreign")))
        new = draw({"tensor": tensors, "foreign": st.sampled_from(FOREIGN)}.get(way, values))
        key, place = draw(scalars), draw(st.integers(0, 10))

        def change(old: Any, way: str = way, new: Any = new, key: Any = key, place: int = place) -> Any:
            if way == "missing":
                return MISSING
            plain = isinstance(old, torch.Tensor) and old.layout == torch.strided and old.device.type == "cpu"
            if way == "tensor" and plain and not old.is_complex():
                return _of_tensor(old)[place]
            return {**old, key: new} if way == "add" and isinstance(old, dict) else new

        if path or way != "missing":
            tree = replaced(tree, path, change)
    return saved(tree)


@st.composite
def _other_zip(draw: st.DrawFn, pristine: Path) -> bytes:
    """Return a checkpoint's archive with a member missing, twice, damaged, renamed or more."""
    source = zipfile.ZipFile(io.BytesIO(saved(content(pristine))))
    names = source.namelist()
    changed = draw(st.sampled_from(names))
    way = draw(st.sampled_from(("missing", "damaged", "renamed", "more", "empty", "deflated")))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name in names:
            data = source.read(name)
            if name == changed and way == "missing":
                continue
            if name == changed and way in ("damaged", "empty"):
                data = draw(damaged(data, len(data))) if way == "damaged" else b""
            new = name if name != changed or way != "renamed" else f"../{name}"
            target.writestr(new, data, zipfile.ZIP_DEFLATED if way == "deflated" else zipfile.ZIP_STORED)
        if way == "more":
            target.writestr("archive/../../x", b"x" * 100)
    return stream.getvalue()


@st.composite
def _foreign(draw: st.DrawFn, pristine: Path) -> bytes:
    """Return a file that would run a stranger's code where it is unpickled."""
    tree = content(pristine)
    path = draw(st.sampled_from([path for path in paths_in(tree) if len(path) < 3]))
    return draw(
        st.sampled_from(
            (
                saved(replaced(tree, path, lambda _: Payload())),
                pickle.dumps(Payload()),
                pickle.dumps(tree["hyper_parameters"]),
                saved(Payload()),
                saved(torch.nn.Linear(1, 1)),
                saved(tree["state_dict"]),
                saved([]),
                b"",
            )
        )
    )


@st.composite
def _case(draw: st.DrawFn, pristine: Path) -> Case:
    others = st.one_of(_other_zip(pristine), damaged(saved(content(pristine)), 200), _foreign(pristine))
    data = draw(weighted(_fields(pristine), others, 3))
    argv = draw(weighted(st.sampled_from(COMMANDS), st.sampled_from(SLOW_COMMANDS), 15))
    files = {"run/checkpoints/last.ckpt": data, "run/checkpoints/best.ckpt": data}
    return Case(argv, files, run=True, writes=("case/run",))


def checkpoint_files(pristine: Path) -> st.SearchStrategy[Case]:
    """Return the family, about the folder that ``workshop`` has filled."""
    return _case(pristine)
