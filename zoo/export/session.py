"""Run a graph of any form on images of the network's size, as zoo.runtime runs the published file."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime

from zoo import runtime
from zoo.core.spec import InputSpec
from zoo.core.whole_file import temporary_folder
from zoo.export.graph import NetworkGraph
from zoo.export.streaming import write_graph


class GraphSession:
    """A graph in onnxruntime.

    Args:
        path: an ONNX file, without metadata or with.
        spec: what the network was trained for.
        form: how the graph takes images.
        literal: compute every node as it is written, instead of by the fastest code of this machine. Of int8 this is
            what all engines agree on: quantized numbers become floats before each layer.
    """

    def __init__(self, path: str, spec: InputSpec, form: runtime.Form, *, literal: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = False  # its blocks would double the memory of the largest layer
        if literal:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.form, self._spec = form, spec.to_dict()
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    @classmethod
    def of(cls, graph: NetworkGraph, spec: InputSpec, form: runtime.Form, *, literal: bool = False) -> GraphSession:
        """Return the session of a graph that is in no file."""
        with temporary_folder("zoo-export-") as folder:
            path = os.path.join(folder, "model.onnx")
            with open(path, "wb") as file:
                write_graph(graph, file)
            return cls(path, spec, form, literal=literal)

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits and probabilities of images; those of another size only go into the form ``any``.

        Args:
            images: uint8 ``(batch, height, width, channels)``.
        """
        logits, probabilities = runtime.run_session(
            self._session, ["logits", "probabilities"], images, self.form, self._spec
        )
        return logits, probabilities
