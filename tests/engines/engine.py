"""Run a model file in one engine: ``python engine.py KIND MODEL INPUTS.npz ANSWERS.npz``, in the engine's environment.

INPUTS holds an array for each run, in the order of its keys, ANSWERS the probabilities of each, under the same keys.
KIND ``runtime`` runs zoo/runtime.py, which lies beside this file as zoo_runtime.py: INPUTS then holds height, width and
seed of each picture.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def picture(height, width, channels, seed):
    """Return noise, uint8 ``(1, height, width, channels)``."""
    return np.random.default_rng(seed).integers(0, 256, (1, height, width, channels), np.uint8)


def runtime(model):
    sys.path.insert(0, str(Path(__file__).parent))
    from zoo_runtime import Classifier, verify

    verify(model)
    classifier = Classifier(model)
    channels = classifier.input_spec["channels"]
    return lambda size: classifier.probabilities(picture(*size[:2].tolist(), channels, int(size[2])))


def onnxruntime(model):
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"images": images})[0]


def openvino(model):
    import openvino

    core = openvino.Core()
    # Without the hint, processors with bfloat16 compute in it.
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: compiled({"images": images})["probabilities"]


def opencv(model):
    import cv2

    network = cv2.dnn.readNetFromONNX(model)

    def run(images):
        network.setInput(images, "images")
        return network.forward("probabilities")

    return run


def ncnn(model):
    import ncnn

    folder = Path(tempfile.mkdtemp())
    copy = folder / "model.onnx"
    copy.write_bytes(Path(model).read_bytes())
    pnnx = str(Path(sys.executable).parent / "pnnx")
    subprocess.run([pnnx, str(copy), "fp16=0"], check=True, cwd=folder, capture_output=True)
    network = ncnn.Net()
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.load_param(str(folder / "model.ncnn.param"))
    network.load_model(str(folder / "model.ncnn.bin"))

    def run(images):
        extractor = network.create_extractor()
        extractor.input(network.input_names()[0], ncnn.Mat(images[0]).clone())
        return np.array(extractor.extract(network.output_names()[-1])[1])[None]

    return run


def mnn(model):
    import MNN

    converted = str(Path(tempfile.mkdtemp(), "model.mnn"))
    convert = str(Path(sys.executable).parent / "mnnconvert")
    arguments = ["-f", "ONNX", "--modelFile", model, "--MNNModel", converted, "--bizCode", "zoo"]
    subprocess.run([convert, *arguments], check=True, capture_output=True)
    network = MNN.nn.load_module_from_file(converted, ["images"], ["probabilities"])

    def run(images):
        values = MNN.expr.const(images.ravel().tolist(), list(images.shape), MNN.expr.NCHW, MNN.expr.float)
        [answer] = network.onForward([values])
        return np.array(MNN.expr.convert(answer, MNN.expr.NCHW).read())

    return run


def tract(model):
    import tract

    runnable = tract.onnx().load(model).into_model().into_runnable()
    return lambda images: runnable.run([images])[1].to_numpy()


def litert(model):
    from ai_edge_litert.interpreter import Interpreter

    folder = tempfile.mkdtemp()
    convert = str(Path(sys.executable).parent / "onnx2tf")
    # The input keeps its channels before its rows. LiteRT has no Erf, which GELU needs, so it is computed of others.
    options = ["-kat", "images", "-rtpo", "erf"]
    subprocess.run([convert, "-i", model, "-o", folder, *options], check=True, capture_output=True)
    [converted] = Path(folder).glob("*_float32.tflite")
    interpreter = Interpreter(str(converted))
    interpreter.allocate_tensors()

    def run(images):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[-1]["index"])

    return run


if __name__ == "__main__":
    kind, file, inputs, answers = sys.argv[1:]
    stored = np.load(inputs)
    run = globals()[kind](file)
    np.savez(answers, **{key: np.asarray(run(stored[key])) for key in stored.files})
